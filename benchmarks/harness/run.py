"""A measuring run: what all results that were measured together have in common."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.harness.selection import Selection
from benchmarks.harness.session import ROUNDS
from benchmarks.harness.system_info import SystemInfo, environment, steal_seconds

# Names the run that a process of asv's belongs to; asv's plugin sets it.
RUN_VARIABLE = "AETHERLESS_RUN"
STOLEN_SHARE = 0.01  # of the machine's processor time, from which on it is a warning


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A measuring run: what all its results have in common.

    Attributes:
        id: its own; results of different runs are never mixed.
        started_at_ms: since the epoch.
        commit: of what was measured.
        selection: the name of a `Selection`; None where others measured.
        machine: what it was measured on.
        environment: `system_info.environment`, and what else may differ between runs.
        seed: of the orders of the trials; None where there was no session.
        rounds: wanted of each result; None where nobody said.
        interrupted: whether it ended early.
        warnings: what makes all of it doubtful, a sentence each.
    """

    id: str
    started_at_ms: int
    commit: str
    machine: SystemInfo
    selection: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    rounds: int | None = None
    interrupted: bool = False
    warnings: Sequence[str] = ()


class OpenRun:
    """A measuring run from its beginning on; `ended` gives it as it is then.

    Its arguments are as `Run` has them; `more` is for the environment.
    """

    def __init__(
        self,
        commit: str,
        selection: Selection | None = None,
        seed: int | None = None,
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
