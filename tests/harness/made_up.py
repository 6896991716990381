"""Trials, runs and results that nobody measured, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Trial, Turn
from benchmarks.harness.system_info import SystemInfo

MACHINE = SystemInfo("Linux", "Debian", "6.1", "a processor", 2, 1 << 30, "here")


class MadeUp(Trial):
    """Gives what it is told to, and notes its turns."""

    def __init__(
        self,
        name: str,
        value: float | Callable[[int], Samples] | Exception = 100.0,
        group: str | None = None,
        missing: str | None = None,
    ) -> None:
        self.name, self.group = name, group
        self._value, self._missing = value, missing
        self.turns: list[Turn] = []

    def missing(self) -> str | None:
        return self._missing

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        self.turns.append(turn)
        if isinstance(self._value, Exception):
            raise self._value
        if callable(self._value):
            return {"": self._value(len(self.turns) - 1)}
        return {"": Samples(durations_ns=[self._value] * 3)}


def run(**changes: Any) -> Run:
    """A run."""
    told = {"id": "r1", "started_at_ms": 1_766_838_896_000, "commit": "c" * 40, "machine": MACHINE}
    return Run(**{**told, **changes})


def result(
    name: str = "ipc_pipe_64", rounds: Sequence[Samples] | None = None, **changes: Any
) -> Result:
    """A result of two rounds, unless told otherwise."""
    if rounds is None:
        rounds = [Samples(durations_ns=[100.0, 101.0]), Samples(durations_ns=[102.0, 103.0])]
    told = {
        "category": "ipc",
        "benchmark": "ipc.RoundTrip.track_time",
        "parameters": {"method": "pipe", "payload_size_bytes": 64},
        "run": run(),
        "processes": len(rounds),
        "turns": tuple(range(len(rounds))),
    }
    return Result(name=name, rounds=tuple(rounds), **{**told, **changes})
