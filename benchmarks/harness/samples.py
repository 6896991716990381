"""What one round gives of one row: durations, how they were taken, and what else was seen.

Measuring processes make it and send it as JSON; it imports nothing that would make them start late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples of one round.

    Attributes:
        durations_ns: of one operation each, in ns, at least one.
        number: operations a sample. With more than one a sample is the mean of a block, and means
            have no tails.
        clock_cost_ns: what a reading of the clock costs (`clock.clock_cost_ns`), in ns; None where
            that was not measured.
        facts: what else the round has to say, as JSON takes it; a row's `told` joins the rounds'.
        warnings: what makes this round doubtful, a sentence each.
        invalid: why nothing can be concluded from this round; None where something can.

    Raises:
        ValueError: no durations, one that is negative or not finite, or a `number` below 1.
    """

    durations_ns: Sequence[float]
    number: int = 1
    clock_cost_ns: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    invalid: str | None = None

    def __post_init__(self) -> None:
        values: Any = self.durations_ns
        if not len(values):
            raise ValueError("no samples: nothing was measured")
        # By numpy's own where it is an array: an export would spend a sixth of its time here.
        least, total = (
            (values.min(), values.sum()) if hasattr(values, "min") else (min(values), sum(values))
        )
        if not (least >= 0 and total < float("inf")):
            raise ValueError("a sample is negative or not finite")
        if self.number < 1:
            raise ValueError(f"a sample of {self.number} operations is none")

    @property
    def sampling(self) -> Literal["block_means", "per_operation"]:
        """How the samples were taken, in the standard JSON's words."""
        return "block_means" if self.number > 1 else "per_operation"
