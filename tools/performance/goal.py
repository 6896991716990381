"""A goal, and what was measured of it, as lines of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.harness.statistics import (
    Floats,
    median_interval,
    median_of_medians,
    ratio_interval,
    verdict,
)

FEWEST_ROUNDS = 6  # for an interval of 95 %
CONFIDENCE = 0.95
HEAD = ["| | measured [95 %] | wanted | verdict |", "|---|---|---|---|"]

Show = Callable[[float], str]


def as_ratio(value: float) -> str:
    """In as many digits as a reader can use."""
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure, and the bound that it must keep.

    Attributes:
        name: what the figure is.
        bound: of it.
        at_least: whether it is the least that is wanted, else the most.
    """

    name: str
    bound: float
    at_least: bool = False

    def of_ratio(self, first: Sequence[Floats], second: Sequence[Floats]) -> str:
        """A row: the ratio of two things that were measured in turn.

        Args:
            first, second: blocks of samples; the i-th of each were taken right after each other.
        """
        return self.row(*ratio_interval(first, second), as_ratio)

    def of_blocks(self, blocks: Sequence[Floats], show: Show, shown: bool = True) -> str:
        """A row: the median of the blocks' medians.

        Args:
            blocks: the samples of each round.
            show: turns the figure into text.
            shown: whether a verdict can be given; where not, the figure stands as "not shown".
        """
        medians = np.sort([np.median(block) for block in blocks])
        interval = median_interval(medians, CONFIDENCE)
        if interval is None:
            raise ValueError(f"{len(blocks)} rounds are too few for an interval of 95 %")
        return self.row(median_of_medians(blocks), *interval, show, shown)

    def row(self, value: float, low: float, high: float, show: Show, shown: bool = True) -> str:
        """A row of a figure with its interval."""
        said = self.verdict(low, high) if shown else "**not shown**"
        return (
            f"| {self.name} | {show(value)} [{show(low)}, {show(high)}]"
            f" | {self.wanted(show)} | {said} |"
        )

    def wanted(self, show: Show) -> str:
        """The bound in words."""
        return f"{'at least' if self.at_least else 'at most'} {show(self.bound)}"

    def verdict(self, low: float, high: float) -> str:
        """As `statistics.verdict`, bold unless it is met."""
        said = (
            verdict(1 / high, 1 / low, 1 / self.bound)
            if self.at_least
            else verdict(low, high, self.bound)
        )
        return said if said == "met" else f"**{said}**"
