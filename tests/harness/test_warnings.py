"""What makes a result doubtful, and what of it is said once for a whole run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.samples import Samples
from benchmarks.harness.warnings import Warning, shared_out, warnings_of


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
    found = warnings_of(_rounds(medians, number))
    assert any(words in each.text for each in found) if words else not found
    assert not any("inf%" in each.text for each in found)


def test_one_wild_sample_is_no_wide_spread_but_a_wide_middle_is() -> None:
    block = [100.0] * 100
    block[0] = 50_000.0
    assert not warnings_of([Samples(durations_ns=block)] * 3)
    uniform = np.linspace(80.0, 120.0, 100).tolist()
    [found] = warnings_of([Samples(durations_ns=uniform)] * 3)
    assert found == Warning("within", "the middle half spans 20% of the median")


def test_what_rounds_say_in_other_figures_is_one() -> None:
    said = [
        ["late: p99 is 2.25 ms, above 1 ms", "saturated"],
        ["saturated"],
        ["late: p99 is 10.5 ms, above 1 ms", "late: p99 is 9 ms, above 1 ms", "saturated"],
    ]
    rounds = [Samples(durations_ns=[1.0] * 9, warnings=each) for each in said]
    assert [each.text for each in warnings_of(rounds)] == [
        "late: p99 is 2.25 to 10.5 ms, above 1 ms (2 of 3 rounds)",
        "saturated",
    ]


def test_what_most_results_carry_is_said_once() -> None:
    between = Warning("between", "medians of rounds differ by 20%")
    own = Warning("late by #", "late by 3")
    told, left = shared_out({"a": [between, own], "b": [between], "c": [between], "d": []})
    assert told == ["most results: the medians of rounds differ by more than 10%"]
    assert left == {"a": ["late by 3"], "b": [], "c": [], "d": []}


@pytest.mark.parametrize("results", [{"a": "x", "b": "x"}, {"a": "x", "b": "x", "c": "", "d": ""}])
def test_what_few_or_not_most_carry_stays_with_them(results: dict[str, str]) -> None:
    by_result = {name: [Warning("between", text)] if text else [] for name, text in results.items()}
    told, left = shared_out(by_result)
    assert not told
    assert left["a"] == ["x"]


def test_what_is_of_a_result_alone_is_never_taken_from_it() -> None:
    told, left = shared_out({name: [Warning("saturated", "saturated")] for name in "abcd"})
    assert not told
    assert left["d"] == ["saturated"]
