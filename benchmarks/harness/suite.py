"""What the suites' classes have in common: parameters, their rows, and what asv is given of them.

A class of a suite asks one question. Its parameters are asv's, so that asv's pages draw them as
axes and legends; `row` says for each combination what is measured, and what the result is called.
asv calls `track_time` for one row, which is measured by itself; the runner measures all rows of a
selection in one session.
"""

from __future__ import annotations

import itertools
import math
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np

from benchmarks.harness import run_log
from benchmarks.harness.result import Result, Run
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection, selected
from benchmarks.harness.session import ROUNDS, SEED, Measured, Session, Trial
from benchmarks.harness.statistics import ratio_interval, round_ratios
from benchmarks.harness.system_info import SystemInfo, environment, steal_seconds

# Where one value of each parameter is given for each of them, in asv's form.
Axes: TypeAlias = tuple[Sequence[Any], ...]

# Names the run that a process of asv's belongs to; asv's plugin sets it.
RUN_VARIABLE = "AETHERLESS_RUN"
FEWEST_FOR_INTERVAL = 6  # rounds, for 95 %
STOLEN_SHARE = 0.01  # of the machine's processor time, from which on it is a warning


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


class Runs:
    """What a measuring run is, from its beginning to its end.

    Args:
        commit: of what is measured.
        selection: that is measured; None where it is none.
        seed, rounds: of the session; no seed where there is none.
        warnings: what makes all of it doubtful, a sentence each.
        more: for the environment.
    """

    def __init__(
        self,
        commit: str,
        selection: Selection | None = None,
        seed: int | None = SEED,
        rounds: int = ROUNDS,
        warnings: Iterable[str] = (),
        **more: Any,
    ) -> None:
        self._run = Run(
            id=os.environ.get(RUN_VARIABLE) or secrets.token_hex(8),
            started_at_ms=time.time_ns() // 1_000_000,
            commit=commit,
            selection=selection and selection.value,
            machine=SystemInfo.collect(),
            environment={**environment(), **more},
            seed=seed,
            rounds=rounds,
            warnings=tuple(warnings),
        )
        self._stolen_s, self._began_s = steal_seconds(), time.monotonic()

    def ended(self, interrupted: bool = False) -> Run:
        """The run, as it is now."""
        stolen_s = steal_seconds() - self._stolen_s
        took_s = time.monotonic() - self._began_s
        share = stolen_s / took_s / (self._run.machine.cpu_cores or 1)
        warnings = [*self._run.warnings]
        if share > STOLEN_SHARE:
            warnings.append(f"the hypervisor took more than {STOLEN_SHARE:.0%} of the time away")
        return replace(
            self._run,
            interrupted=interrupted,
            warnings=tuple(warnings),
            environment={**self._run.environment, "steal_seconds": stolen_s, "run_s": took_s},
        )


class _Suite:
    """Base of the suites' classes.

    Attributes:
        category: of the results.
        param_names: as asv has them.
        tracking, study, quick: the axes in each selection; None where the class has no rows there.
    """

    category: ClassVar[str]
    param_names: ClassVar[tuple[str, ...]]
    tracking: ClassVar[Axes | None] = None
    study: ClassVar[Axes | None] = None
    quick: ClassVar[Axes | None] = None

    # What asv reads. The harness gives seconds, which asv shows in human units only when told so.
    params: ClassVar[Axes]
    type = "time"
    unit = "seconds"
    version = "3"
    timeout = 900

    def __init_subclass__(cls) -> None:
        axes = cls.axes(selected())
        cls.params = axes or ()
        # Not of a base, from which classes with rows may inherit it.
        if axes is None and not cls.__name__.startswith("_"):
            cls.track_time = None  # type: ignore[assignment] # asv lists methods only

    @classmethod
    def axes(cls, selection: Selection) -> Axes | None:
        """The axes in a selection; None where the class has no rows there."""
        found: Axes | None = getattr(cls, selection.value)
        return found

    @classmethod
    def benchmark(cls) -> str:
        """asv's full name."""
        return f"{cls.__module__.partition('.')[2] or cls.__module__}.{cls.__name__}.track_time"

    @classmethod
    def rows(cls, selection: Selection) -> Iterator[Row]:
        """All rows of a selection."""
        axes = cls.axes(selection)
        for parameters in itertools.product(*axes) if axes else ():
            yield cls.row_of(*parameters)

    @classmethod
    def row_of(cls, *parameters: Any) -> Row:
        """The row of these parameters."""
        return replace(
            cls().row(*parameters),
            category=cls.category,
            benchmark=cls.benchmark(),
            parameters=dict(zip(cls.param_names, parameters, strict=True)),
        )

    def row(self, *parameters: Any) -> Row:
        """What is measured for these parameters; each class says it."""
        raise NotImplementedError

    def setup(self, *parameters: Any) -> None:
        """As asv calls it."""
        if why := self.row_of(*parameters).trial.missing():
            raise NotImplementedError(why)

    def track_time(self, *parameters: Any) -> dict[str, Any] | float:
        """Measures one row; the value of each round, in s, NaN where nothing can be concluded."""
        row = self.row_of(*parameters)
        result = measured_alone(row)
        if (folder := run_log.folder()) is not None:
            run_log.append(result, folder)
        if result.invalid is not None:
            print(f"INVALID {row.name}: {result.invalid}", file=sys.stderr)
            return math.nan
        return {"samples": [each / 1e9 for each in result.medians_ns], "number": 1}


def measured_alone(row: Row) -> Result:
    """Measures one row, with those that its ratios need, in a session of its own.

    Raises:
        As `Row.result`.
    """
    selection = selected()
    runs = Runs(
        os.environ.get("ASV_COMMIT", "worktree"),
        selection,
        asv_environment=os.environ.get("ASV_ENV_NAME"),
    )
    session = Session(row.trials(), quick=selection is Selection.QUICK)
    session.run()
    return row.result(session.measured, runs.ended())
