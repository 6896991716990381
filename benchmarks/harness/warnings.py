"""What makes a result doubtful. It is written into the result, never hidden.

A warning that most results of a run carry tells of the machine, not of any of them: `shared_out`
takes it out of the results, so that it is said once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from benchmarks.harness.samples import Samples
from benchmarks.harness.statistics import Floats, median, middle, nearest_rank

SPREAD_BETWEEN = 0.10
SPREAD_WITHIN = 0.10
FEWEST_ROUNDS = 3
CLOCK_RATIO = 20.0
_FEWEST_TO_SHARE = 4  # results: of fewer, each keeps its own

_FIGURE = re.compile(r"(\d+(?:\.\d+)?(?: to \d+(?:\.\d+)?)?)")  # or a range of them
# How warnings begin that tell of the machine where most results carry them, and what is said then.
_OF_A_RUN = {
    "the medians of rounds": f"the medians of rounds differ by more than {SPREAD_BETWEEN:.0%}",
    "the middle half":
        f"the middle half of the samples spans more than {SPREAD_WITHIN:.0%} of the median",
    "near the clock's": f"samples are shorter than {CLOCK_RATIO:.0f} times the clock's own cost",
    "few rounds": f"there are fewer than {FEWEST_ROUNDS} rounds",
    "rounds disagree": "rounds disagree on ratios",
}  # fmt: skip


def warnings_of(
    rounds: Sequence[Samples], medians_ns: Sequence[float], ordered_ns: Floats
) -> list[str]:
    """What makes these rounds doubtful, beginning with what they say themselves.

    Args:
        rounds: at least one.
        medians_ns: of each of them.
        ordered_ns: all their samples in ascending order.
    """
    found = _said(rounds)
    if len(rounds) < FEWEST_ROUNDS:
        found.append(f"few rounds: {len(rounds)}")
    # Quartiles, since every set of latencies has a tail that blows the standard deviation up.
    low_ns, high_ns = nearest_rank(ordered_ns, 25), nearest_rank(ordered_ns, 75)
    middle_ns, typical_ns = middle(ordered_ns), median(medians_ns)
    if min(middle_ns, typical_ns) <= 0:
        return [*found, "the median is 0: this is shorter than the clock can tell"]
    between = (max(medians_ns) - min(medians_ns)) / typical_ns
    if between > SPREAD_BETWEEN:
        found.append(f"the medians of rounds differ by {between:.0%}")
    within = (high_ns - low_ns) / middle_ns
    if within > SPREAD_WITHIN:
        found.append(f"the middle half spans {within:.0%} of the median")
    costs = [one.clock_cost_ns for one in rounds if one.number == 1 and one.clock_cost_ns]
    if costs and middle_ns < CLOCK_RATIO * (cost := median(costs)):
        found.append(f"near the clock's cost of {cost:.0f} ns")
    return found


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


def shared_out(by_result: Mapping[str, Sequence[str]]) -> tuple[list[str], dict[str, list[str]]]:
    """Takes out what most results carry.

    Args:
        by_result: the warnings of each result of a run, by its name.

    Returns:
        What is to be said once, and what is left of each result's.
    """

    def is_shared(beginning: str) -> bool:
        carried = [any(text.startswith(beginning) for text in own) for own in by_result.values()]
        return len(carried) >= _FEWEST_TO_SHARE and 2 * sum(carried) > len(carried)

    shared = tuple(filter(is_shared, _OF_A_RUN))
    left = {
        name: [text for text in own if not text.startswith(shared)]
        for name, own in by_result.items()
    }
    return [f"most results: {_OF_A_RUN[beginning]}" for beginning in shared], left
