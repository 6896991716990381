"""What results say of the goals: a figure, its interval, and a verdict.

A round gives one value, or one ratio of two values. The figure is the median of the rounds, the
interval the distribution-free one of 95 %. A goal is met or missed where all of the interval lies
on one side of its bound, else it is not shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.harness.result import Result
from benchmarks.harness.samples import Samples
from benchmarks.harness.statistics import Floats, median_interval, nearest_rank, verdict
from tools.performance.goals import MEDIAN, P99, TAIL_TO_MEDIAN, Goal

CONFIDENCE = 0.95
FEWEST_ROUNDS = 6  # for an interval of that confidence
# As `statistics.verdict`, and one more.
MET, MISSED, NOT_SHOWN, NOT_MEASURED = "met", "missed", "not shown", "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is said of a goal: `MET`, `MISSED`, `NOT_SHOWN` or `NOT_MEASURED`."""

    goal: Goal
    verdict: str
    why: str | None = None  # what keeps it from being shown or measured, but for its interval
    value: float | None = None
    low: float | None = None  # the ends of the interval
    high: float | None = None
    sides: tuple[float, ...] = ()  # the median of the rounds of each result that it takes
    rounds: int = 0

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it: the goal's fields beside the others."""
        found = asdict(self)
        return {**found.pop("goal"), **found}


def evaluate(goal: Goal, results: Mapping[str, Result], lacking: Mapping[str, str]) -> Finding:
    """Holds results of one session against a goal; `lacking` says why there is none of a name."""
    for name in goal.rows:
        if name not in results:
            reason = lacking.get(name, f"there is no {name}")
            return Finding(goal=goal, verdict=NOT_MEASURED, why=reason)
    found = [results[name] for name in goal.rows]
    sides = [np.array([_value(goal.figure, each) for each in one.rounds]) for one in found]
    count = min(map(len, sides))
    rounds = sides[0] if goal.to is None else sides[0][:count] / sides[1][:count]
    interval = median_interval(np.sort(rounds), CONFIDENCE)
    low, high = interval or (None, None)
    why = next(filter(None, map(_doubt, found)), None)
    if why is None and interval is None:
        why = f"{count} rounds are too few for an interval of {CONFIDENCE:.0%}"
    return Finding(
        goal=goal,
        verdict=NOT_SHOWN if why or interval is None else _verdict(goal, *interval),
        why=why,
        value=float(np.median(rounds)),
        low=low,
        high=high,
        sides=tuple(float(np.median(side)) for side in sides),
        rounds=count,
    )


def _value(figure: str, one: Samples) -> float:
    if figure not in (MEDIAN, P99, TAIL_TO_MEDIAN):
        return float(one.facts[figure])
    ordered: Floats = np.sort(np.asarray(one.durations_ns, float))
    median_ns = float(np.median(ordered))
    if figure == MEDIAN:
        return median_ns
    p99_ns = nearest_rank(ordered, 99)
    return p99_ns if figure == P99 else p99_ns / median_ns


def _doubt(one: Result) -> str | None:
    """Why nothing can be said by it: rounds that are not valid, of which the others are no part."""
    if one.invalid is not None:
        return f"invalid: {one.invalid}"
    if left_out := one.facts.get("invalid_rounds"):
        # The rest would be those of a quieter machine.
        return f"{left_out} of {left_out + len(one.rounds)} rounds are invalid"
    return None


def _verdict(goal: Goal, low: float, high: float) -> str:
    return verdict(-high, -low, -goal.bound) if goal.at_least else verdict(low, high, goal.bound)
