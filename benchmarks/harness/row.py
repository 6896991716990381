"""A row: one result to be, what it takes, and how it comes of what a session has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Measured, Trial
from benchmarks.harness.statistics import ratio_interval, round_ratios

FEWEST_FOR_INTERVAL = 6  # rounds, for 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One result to be, and what it takes.

    Attributes:
        name: of the result.
        trial, part: what measures it, and which of the parts that this gives.
        beside: what its ratios are given to: `ratio_to_<key>` is that of this row to that part.
        facts: what is known of it beforehand, for the metadata.
        told: joins what the rounds said (`Samples.facts`) for the metadata.
        message_bytes: of a message, where a rate of messages means something.
        category, benchmark, parameters: of the class; `_Suite.rows` fills them in.
    """

    name: str
    trial: Trial
    part: str
    beside: Mapping[str, tuple[Trial, str]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    told: Callable[[Sequence[Samples]], Mapping[str, Any]] = lambda rounds: {}
    message_bytes: int | None = None
    category: str = ""
    benchmark: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """As asv writes it, and as `--bench` matches it."""
        return f"{self.benchmark}({', '.join(map(repr, self.parameters.values()))})"

    def trials(self) -> list[Trial]:
        """What has to be measured for it: its own trial and those of its ratios."""
        return [self.trial, *(trial for trial, _ in self.beside.values())]

    def result(self, measured: Mapping[str, Measured], run: Run) -> Result:
        """The result, of what a session has measured.

        Raises:
            NotImplementedError: it cannot be measured here; the message says why.
            RuntimeError: it failed, or nothing of it was measured.
        """
        own = measured[self.trial.name]
        if own.missing is not None:
            raise NotImplementedError(own.missing)
        if own.failed is not None:
            raise RuntimeError(own.failed)
        taken = [(turn, found[self.part]) for turn, found in
                 zip(own.turns, own.rounds, strict=True) if self.part in found]  # fmt: skip
        if not taken:
            if own.rounds:
                raise NotImplementedError(f"{self.trial.name} does not give {self.part}")
            raise RuntimeError(f"{self.name}: no round of it was measured")
        valid = [each for each in taken if each[1].invalid is None]
        why = None
        if 2 * len(valid) < len(taken):
            why = next(each.invalid for _, each in taken if each.invalid is not None)
            why = f"{why} ({len(taken) - len(valid)} of {len(taken)} rounds)"
            valid = taken
        rounds = [each for _, each in valid]
        return Result(
            name=self.name,
            category=self.category,
            benchmark=self.benchmark,
            parameters=self.parameters,
            rounds=tuple(rounds),
            run=run,
            turns=tuple(turn for turn, _ in valid),
            processes=len(rounds),
            facts={
                **self.facts,
                **self.told(rounds),
                "invalid_rounds": len(taken) - len(rounds) if why is None else len(taken),
                **self._ratios(measured),
            },
            message_bytes=self.message_bytes,
            invalid=why,
        )

    def _ratios(self, measured: Mapping[str, Measured]) -> dict[str, Any]:
        """Of rounds that both sides have, and in which both are valid."""
        found: dict[str, Any] = {}
        own = measured[self.trial.name].rounds
        for key, (trial, part) in self.beside.items():
            other = measured[trial.name]
            if other.missing is not None or other.failed is not None:
                continue
            pairs = [
                (np.asarray(a[self.part].durations_ns), np.asarray(b[part].durations_ns))
                for a, b in zip(own, other.rounds, strict=False)
                if part in b and a[self.part].invalid is None and b[part].invalid is None
            ]
            if not pairs:
                continue
            mine, theirs = zip(*pairs, strict=True)
            if len(pairs) < FEWEST_FOR_INTERVAL:
                found[f"ratio_to_{key}"] = float(np.median(round_ratios(mine, theirs)))
                continue
            middle, low, high = ratio_interval(mine, theirs)
            found |= {f"ratio_to_{key}": middle, f"ratio_to_{key}_interval": [low, high]}
        return found
