"""A sitting: an order from a seed, and neither a lack nor a failure keeps the rest from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.processes import ChildFailedError
from benchmarks.harness.progress import PROGRESS_VARIABLE
from benchmarks.harness.sampler import sample_set
from benchmarks.harness.sitting import doubts_of, ratio, sets_of, sit

POSSIBLE: dict[str, Any] = {
    "ring": ["64", "1024"],
    "tcp": ["64", "1024"],
    "pipe": ["64", "1024"],
    "floor": ["64"],
    "zeromq": "zmq is not installed",
}
VALUES = {"ring": 100.0, "tcp": 5000.0, "floor": 50.0}


class Fake:
    def __init__(self) -> None:
        self.seen: list[tuple[str, list[str]]] = []

    def __call__(self, name: str, parts: list[str]) -> Mapping[str, dict[str, Any]]:
        self.seen.append((name, parts))
        if name == "pipe":
            raise ChildFailedError("it broke")
        if name == "floor" and len(self.seen) > 8:
            raise NotImplementedError("no compiler any more")
        return {part: sample_set([VALUES[name]] * 3, 1, "per_operation", 1.0) for part in parts}


def test_a_sitting_is_interleaved_in_an_order_that_its_seed_gives() -> None:
    runs = []
    for _ in range(2):
        fake = Fake()
        measured = sit(POSSIBLE, fake, 6, 7)
        runs.append(fake.seen)
    assert runs[0] == runs[1]
    names = [name for name, _ in fake.seen if name in ("ring", "tcp")]
    rounds = [tuple(names[at : at + 2]) for at in range(0, 12, 2)]
    assert all(sorted(one) == ["ring", "tcp"] for one in rounds)
    assert len(set(rounds)) == 2
    assert {tuple(parts) for name, parts in fake.seen if name == "tcp"} == {
        ("64", "1024"),
        ("1024", "64"),
    }
    assert [len(sets_of(measured, "tcp", part)) for part in ("64", "1024")] == [6, 6]


@pytest.mark.parametrize(
    "error", [AssertionError("a wrong answer"), KeyError("gateway"), ValueError("no such rate")]
)
def test_a_failure_of_any_kind_costs_the_others_nothing(error: Exception) -> None:
    fake = Fake()

    def measure(name: str, parts: list[str]) -> Mapping[str, dict[str, Any]]:
        if name == "ring":
            raise error
        return fake(name, parts)

    measured = sit(POSSIBLE, measure, 6, 7)
    with pytest.raises(RuntimeError, match=f"ring: {type(error).__name__}: .*{error.args[0]}"):
        sets_of(measured, "ring", "64")
    assert len(sets_of(measured, "tcp", "64")) == 6


def test_one_that_fails_or_is_missing_costs_the_others_nothing() -> None:
    fake = Fake()
    measured = sit(POSSIBLE, fake, 6, 7)
    assert [name for name, _ in fake.seen].count("pipe") == 1
    with pytest.raises(RuntimeError, match="pipe: it broke"):
        sets_of(measured, "pipe", "64")
    for name, why in (("zeromq", "zmq is not installed"), ("floor", "no compiler any more")):
        with pytest.raises(NotImplementedError, match=why):
            sets_of(measured, name, "64")
    with pytest.raises(NotImplementedError, match="not measured at 256"):
        sets_of(measured, "tcp", "256")


def test_ratios_are_those_of_rounds() -> None:
    measured = sit(POSSIBLE, Fake(), 6, 7)
    assert ratio(measured, "tcp", "ring", "64", "to_ring") == {
        "to_ring": 50.0,
        "to_ring_interval": [50.0, 50.0],
    }
    for name, to in (("ring", "ring"), ("tcp", "pipe"), ("zeromq", "ring"), ("tcp", "unheard of")):
        assert ratio(measured, name, to, "64", "key") == {}
    few = sit({"ring": ["64"], "tcp": ["64"]}, Fake(), 2, 7)
    assert ratio(few, "tcp", "ring", "64", "key") == {"key": 50.0}


def test_those_of_a_group_are_measured_right_after_each_other() -> None:
    possible = {f"{group}{member}": ["64"] for group in "abc" for member in range(3)}
    seen: list[str] = []

    def measure(name: str, _: list[str]) -> Mapping[str, dict[str, Any]]:
        seen.append(name)
        return {}

    sit(possible, measure, 6, 7, group_of=lambda name: name[0])
    threes = [seen[at : at + 3] for at in range(0, 54, 3)]
    assert all(len({name[0] for name in three}) == 1 for three in threes)
    assert len({tuple(three) for three in threes}) > 3  # in other orders
    assert all(sorted(seen[at : at + 9]) == sorted(possible) for at in range(0, 54, 9))


def test_how_far_it_is_is_told_to_who_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    monkeypatch.setenv(PROGRESS_VARIABLE, str(told))
    fake = Fake()
    sit({name: POSSIBLE[name] for name in ("ring", "tcp")}, fake, 2, 7)
    lines = [line.split() for line in told.read_text().splitlines()]
    assert [int(line[0]) for line in lines] == [0, 1, 2, 3, 4]
    assert {line[1] for line in lines} == {"4"}
    assert [line[2] for line in lines[:-1]] == [name for name, _ in fake.seen]


def test_doubts_that_differ_in_figures_are_one() -> None:
    rounds = [
        ["late: p99 is 2.25 ms, above 1 ms", "saturated"],
        ["saturated"],
        ["late: p99 is 10.5 ms, above 1 ms", "late: p99 is 9 ms, above 1 ms", "saturated"],
    ]
    assert doubts_of([{"doubts": doubts} for doubts in rounds]) == [
        "late: p99 is 2.25 to 10.5 ms, above 1 ms (2 of 3 rounds)",
        "saturated",
    ]
    assert doubts_of([{"doubts": ["7 of 9"]}]) == ["7 of 9"]
    assert doubts_of([{"doubts": []}]) == []
