"""What makes a result doubtful. It is written into the result, never hidden.

A warning that most results of a run carry tells of the machine, not of any of them: `shared_out`
takes it out of the results, so that it is said once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.harness.samples import Samples
from benchmarks.harness.statistics import (
    Floats,
    between_block_spread,
    median_of_medians,
    middle,
    nearest_rank,
)

SPREAD_BETWEEN = 0.10
SPREAD_WITHIN = 0.10
FEWEST_ROUNDS = 3
CLOCK_RATIO = 20.0
_FEWEST_TO_SHARE = 4  # results: of fewer, each keeps its own

# What a warning of each kind says where it is said of a whole run.
_OF_A_RUN = {
    "between": f"the medians of rounds differ by more than {SPREAD_BETWEEN:.0%}",
    "within": f"the middle half of the samples spans more than {SPREAD_WITHIN:.0%} of the median",
    "clock": f"samples are shorter than {CLOCK_RATIO:.0f} times the clock's own cost",
    "rounds": f"there are fewer than {FEWEST_ROUNDS} rounds",
}
_FIGURE = re.compile(r"(\d+(?:\.\d+)?(?: to \d+(?:\.\d+)?)?)")  # or a range of them


class Warning(NamedTuple):
    """A warning, and its kind: what of it is the same in different results."""

    kind: str
    text: str


def warnings_of(rounds: Sequence[Samples], ordered: Floats | None = None) -> tuple[Warning, ...]:
    """What makes these rounds doubtful, beginning with what they say themselves.

    Args:
        rounds: at least one.
        ordered: all their samples in ascending order, where that is known.
    """
    found = [Warning(kind_of(text), text) for text in _said(rounds)]
    blocks = [np.asarray(one.durations_ns, dtype=np.float64) for one in rounds]
    if ordered is None:
        ordered = np.sort(np.concatenate(blocks))
    # Quartiles, since every set of latencies has a tail that blows the standard deviation up.
    low, median, high = nearest_rank(ordered, 25), middle(ordered), nearest_rank(ordered, 75)
    if len(blocks) < FEWEST_ROUNDS:
        found.append(Warning("rounds", f"few rounds: {len(blocks)}"))
    if median <= 0 or (len(blocks) > 1 and median_of_medians(blocks) <= 0):
        found.append(Warning("zero", "the median is 0: this is shorter than the clock can tell"))
        return tuple(found)
    if len(blocks) > 1 and (between := between_block_spread(blocks)) > SPREAD_BETWEEN:
        found.append(Warning("between", f"the medians of rounds differ by {between:.0%}"))
    if high - low > SPREAD_WITHIN * median:
        spread = (high - low) / median
        found.append(Warning("within", f"the middle half spans {spread:.0%} of the median"))
    costs = [one.clock_cost_ns for one in rounds if one.number == 1 and one.clock_cost_ns]
    if costs and median < CLOCK_RATIO * (cost := float(np.median(costs))):
        found.append(Warning("clock", f"near the clock's cost of {cost:.0f} ns"))
    return tuple(found)


def _said(rounds: Sequence[Samples]) -> list[str]:
    """What the rounds say, each once, with a range where only figures differ."""
    said: dict[str, list[tuple[int, str]]] = {}
    for at, one in enumerate(rounds):
        for text in one.warnings:
            said.setdefault(kind_of(text), []).append((at, text))
    found = []
    for times in said.values():
        text = merged([text for _, text in times])
        count = len({at for at, _ in times})
        found.append(text if count == len(rounds) else f"{text} ({count} of {len(rounds)} rounds)")
    return found


def kind_of(text: str) -> str:
    """What is the same in warnings that differ in figures only."""
    return _FIGURE.sub("#", text)


def merged(texts: Sequence[str]) -> str:
    """Warnings of one kind as one, with ranges where their figures differ."""
    pieces = [_FIGURE.split(text) for text in texts]  # words and figures in turns
    found = pieces[0]
    found[1::2] = map(_range, zip(*(each[1::2] for each in pieces), strict=True))
    return "".join(found)


def _range(figures: Sequence[str]) -> str:
    ends = [end for each in figures for end in each.split(" to ")]
    least, most = min(ends, key=float), max(ends, key=float)
    return least if least == most else f"{least} to {most}"


def shared_out(
    by_result: Mapping[str, Sequence[Warning]],
) -> tuple[list[str], dict[str, list[str]]]:
    """Takes out what most results carry.

    Args:
        by_result: the warnings of each result of a run, by its name.

    Returns:
        What is to be said once, and what is left of each result's.
    """
    carried = Counter(kind for own in by_result.values() for kind in {each.kind for each in own})
    total = len(by_result)
    shared = {
        kind
        for kind, count in carried.items()
        if total >= _FEWEST_TO_SHARE and 2 * count > total and kind in _OF_A_RUN
    }
    told = [f"most results: {_OF_A_RUN[kind]}" for kind in sorted(shared)]
    left = {
        name: [each.text for each in own if each.kind not in shared]
        for name, own in by_result.items()
    }
    return told, left
