"""A row: one result to be, what it takes, and how it comes of what a session has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, product
from typing import Any

import numpy as np

from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Measured, Trial
from benchmarks.harness.statistics import median, median_interval, middle

CONFIDENCE = 0.95
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

    def pairs(self) -> list[tuple[Trial, Trial]]:
        """What its ratios are of, for `Session`."""
        return [(self.trial, trial) for trial, _ in self.beside.values()]

    def result(self, measured: Mapping[str, Measured], run: Run) -> Result:
        """The result, of what a session has measured.

        Rounds that failed or are not valid are left out, and told of; half of all must be left.

        Raises:
            NotImplementedError: it cannot be measured here; the message says why.
            RuntimeError: it failed, or nothing of it was measured.
        """
        own = measured[self.trial.name]
        if own.missing is not None:
            raise NotImplementedError(own.missing)
        if own.failed is not None:
            raise RuntimeError(own.failed)
        by_round = groupby(own.of(self.part), key=lambda take: take.number)
        # Of several in a round one, a valid one if there is any: so all rows have as many.
        taken = [min(takes, key=lambda take: not take.is_valid) for _, takes in by_round]
        if not taken:
            if own.takes:
                raise NotImplementedError(f"{self.trial.name} does not give {self.part}")
            raise RuntimeError(f"{self.name}: no round of it was measured")
        valid = [take for take in taken if take.is_valid]
        late = [why for take in taken if (why := take.samples.invalid) is not None]
        lost = [f"it failed: {why.splitlines()[-1]}" for why in own.lost]
        total = len(taken) + len(lost)
        ratios, noted = self._ratios(measured)
        noted += [f"{len(whys)} of {total} rounds are left out: {whys[0]}"
                  for whys in (late, lost) if whys]  # fmt: skip
        invalid = None
        if 2 * len(valid) < total:
            invalid = f"{(late or lost)[0]} ({total - len(valid)} of {total} rounds)"
            valid, ratios, noted = taken, {}, []
        rounds = [take.samples for take in valid]
        rounds = [replace(each, warnings=[*each.warnings, *noted]) for each in rounds]
        return Result(
            name=self.name,
            category=self.category,
            benchmark=self.benchmark,
            parameters=self.parameters,
            rounds=tuple(rounds),
            run=run,
            turns=tuple(take.place for take in valid),
            processes=len(rounds),
            facts={
                **self.facts,
                **self.told(rounds),
                "invalid_rounds": len(late) + len(lost),
                **ratios,
            },
            message_bytes=self.message_bytes,
            invalid=invalid,
        )

    def _ratios(self, measured: Mapping[str, Measured]) -> tuple[dict[str, Any], list[str]]:
        """Of each round that of the two valid ones that are closest; and what to warn of."""
        found: dict[str, Any] = {}
        noted: list[str] = []
        own = measured[self.trial.name].of(self.part)
        for key, (trial, part) in self.beside.items():
            pairs = [
                (one, other)
                for one, other in product(own, measured[trial.name].of(part))
                if one.number == other.number and one.is_valid and other.is_valid
            ]
            pairs.sort(key=lambda pair: abs(pair[0].place - pair[1].place), reverse=True)
            closest = {one.number: (one.samples, other.samples) for one, other in pairs}
            ratios = np.sort(
                [
                    median(one.durations_ns) / median(other.durations_ns)
                    for one, other in closest.values()
                ]
            )
            if len(ratios):
                found[f"ratio_to_{key}"] = middle(ratios)
                if interval := median_interval(ratios, CONFIDENCE):
                    found[f"ratio_to_{key}_interval"] = [*interval]
                    if interval[1] > WIDE * interval[0]:
                        noted.append(f"rounds disagree on the ratio to {key}")
            elif measured[trial.name].failed is not None:
                noted.append(f"no ratio to {key}, which failed")
        return found, noted
