"""What makes a result doubtful, and what of it is said once for a whole run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.result import Result
from benchmarks.harness.samples import Samples
from benchmarks.harness.warnings import shared_out
from tests.harness.made_up import result


def _rounds(medians: list[float], number: int = 1) -> list[Samples]:
    return [
        Samples(durations_ns=[median] * 10, number=number, clock_cost_ns=1.0) for median in medians
    ]


@pytest.mark.parametrize(
    ("medians", "number", "words"),
    [
        ([100.0, 100.0, 100.0], 1, None),
        ([100.0, 120.0, 100.0], 1, "medians of rounds differ by 20%"),
        ([100.0, 100.0], 1, "few rounds: 2"),
        ([100.0, 105.0, 109.0, 109.0], 1, None),
        ([100.0, 100.0, 100.0, 500.0], 1, "medians of rounds"),
        ([19.0, 19.0, 19.0], 1, "near the clock's cost of 1 ns"),
        ([19.0, 19.0, 19.0], 100, None),
        ([0.0, 0.0, 7.0], 1, "shorter than the clock can tell"),
        ([7.0, 0.0, 0.0, 7.0, 7.0], 100, "medians of rounds differ by 100%"),
    ],
)
def test_what_is_doubtful(medians: list[float], number: int, words: str | None) -> None:
    found = result(rounds=_rounds(medians, number)).warnings
    assert any(words in each for each in found) if words else not found
    assert not any("inf%" in each for each in found)


def test_one_wild_sample_is_no_wide_spread_but_a_wide_middle_is() -> None:
    block = [100.0] * 100
    block[0] = 50_000.0
    assert not result(rounds=[Samples(durations_ns=block)] * 3).warnings
    uniform = np.linspace(80.0, 120.0, 100).tolist()
    [found] = result(rounds=[Samples(durations_ns=uniform)] * 3).warnings
    assert found == "the middle half spans 20% of the median"


def test_what_rounds_say_in_other_figures_is_one() -> None:
    said = [
        ["late: p99 is 2.25 ms, above 1 ms", "saturated"],
        ["saturated"],
        ["late: p99 is 10.5 ms, above 1 ms", "late: p99 is 9 ms, above 1 ms", "saturated"],
    ]
    rounds = [Samples(durations_ns=[1.0] * 9, warnings=each) for each in said]
    assert result(rounds=rounds).warnings == [
        "late: p99 is 2.25 to 10.5 ms, above 1 ms (2 of 3 rounds)",
        "saturated",
    ]


def test_what_most_results_carry_is_said_once() -> None:
    between, own = "the medians of rounds differ by 20%", "late by 3"
    told, left = shared_out({"a": [between, own], "b": [between], "c": [between], "d": []})
    assert told == ["most results: the medians of rounds differ by more than 10%"]
    assert left == {"a": ["late by 3"], "b": [], "c": [], "d": []}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (result(rounds=_rounds([100.0] * 7 + [120.0])), "medians of rounds differ by more than"),
        (result(rounds=[Samples(durations_ns=[80.0, 90.0, 120.0])] * 3), "the middle half of the"),
        (result(rounds=_rounds([19.0] * 3)), "samples are shorter than 20 times the clock's"),
        (result(rounds=_rounds([100.0])), "there are fewer than 3 rounds"),
        (
            result(
                rounds=[
                    Samples(durations_ns=[1.0], warnings=["rounds disagree on the ratio to ring"])
                ]
                * 3
            ),
            "rounds disagree on ratios",
        ),
    ],
)
def test_all_that_is_of_the_machine_can_be_said_once(found: Result, told: str) -> None:
    [once], left = shared_out(dict.fromkeys("abcd", found.warnings))
    assert once.startswith("most results: ") and told in once
    assert left["d"] == []


@pytest.mark.parametrize(
    "results", [dict.fromkeys("abc", "x"), {"a": "x", "b": "x", "c": "", "d": ""}]
)
def test_what_few_or_not_most_carry_stays_with_them(results: dict[str, str]) -> None:
    text = "the medians of rounds differ by 20%"
    by_result = {name: [text] if one else [] for name, one in results.items()}
    told, left = shared_out(by_result)
    assert not told
    assert left["a"] == [text]


def test_what_is_of_a_result_alone_is_never_taken_from_it() -> None:
    told, left = shared_out({name: ["saturated"] for name in "abcd"})
    assert not told
    assert left["d"] == ["saturated"]
