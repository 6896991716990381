"""A row: one result to be, what it takes, and how it comes of what a session has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Measured, Trial
from benchmarks.harness.statistics import Floats, ratio_interval, round_ratios

FEWEST_FOR_INTERVAL = 6  # rounds, for 95 %
WIDE = 1.5  # how many times its lower end the upper end of a ratio's interval may be, unremarked


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
        ratios, noted = self._ratios(measured)
        why = None
        if len(valid) < len(taken):
            reason = next(each.invalid for _, each in taken if each.invalid is not None)
            if 2 * len(valid) < len(taken):
                why = f"{reason} ({len(taken) - len(valid)} of {len(taken)} rounds)"
                valid, ratios, noted = taken, {}, []
            else:
                left_out = len(taken) - len(valid)
                noted.append(f"{left_out} of {len(taken)} rounds are left out: {reason}")
        rounds = [replace(each, warnings=[*each.warnings, *noted]) for _, each in valid]
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
                "invalid_rounds": sum(each.invalid is not None for _, each in taken),
                **ratios,
            },
            message_bytes=self.message_bytes,
            invalid=why,
        )

    def _ratios(self, measured: Mapping[str, Measured]) -> tuple[dict[str, Any], list[str]]:
        """Of rounds that both sides have, and in which both are valid; and what to warn of."""
        found: dict[str, Any] = {}
        noted: list[str] = []
        own = _valid(measured[self.trial.name], self.part)
        for key, (trial, part) in self.beside.items():
            other = measured[trial.name]
            theirs = _valid(other, part)
            if other.failed is not None:
                noted.append(f"no ratio to {key}, which failed")
            elif common := sorted(own.keys() & theirs.keys()):
                sides = [own[at] for at in common], [theirs[at] for at in common]
                if len(common) < FEWEST_FOR_INTERVAL:
                    found[f"ratio_to_{key}"] = float(np.median(round_ratios(*sides)))
                    continue
                middle, low, high = ratio_interval(*sides)
                found |= {f"ratio_to_{key}": middle, f"ratio_to_{key}_interval": [low, high]}
                if high > WIDE * low:
                    noted.append(f"rounds disagree on the ratio to {key}")
        return found, noted


def _valid(measured: Measured, part: str) -> dict[int, Floats]:
    """The samples in ns of a part in the rounds, by their numbers, in which they are valid."""
    return {
        number: np.asarray(found[part].durations_ns, np.float64)
        for number, found in enumerate(measured.rounds)
        if part in found and found[part].invalid is None
    }
