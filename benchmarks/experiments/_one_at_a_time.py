"""Requests one at a time to one platform: what most experiments are made of.

Timed, in the asker's process: from when a request is handed to the kernel until its whole answer is
there, over a kept connection. Outside: starting, connecting, pausing, checking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from benchmarks.experiments._asker import MOST_RECOLLECTED, TIMEOUT_S
from benchmarks.experiments.base import REFERENCE, Requests, samples_of, saying
from benchmarks.harness.processes import run_fresh
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import Server
from benchmarks.workloads.registry import asked

STAMPED = ("gateway", "queue", "transport", "function")  # by the runtime, of each request
GONE_S = 0.05  # in which an instance is ended, and what it has used up is there again
WITH_TAIL = 130  # samples a round: eight rounds carry a p99
_FEW, _FEWEST = 12, 5
_STARTING_S = 60.0

Timings: TypeAlias = list[dict[str, float]]  # in ns: what the server says of each answer


@dataclass(frozen=True, kw_only=True)
class OneAtATime(Requests):
    """Requests to one platform, one at a time.

    It gives their latencies as "". Where the runtime answers from a warm instance, it also gives
    where the time of each went: the layers that the runtime has stamped, and "client", the rest.
    Where the mode is "mixed" the share of requests that were cold is in the facts.

    Attributes:
        samples, quick: of each round, as a rule and where it must be quick.
        warmup: requests before them.
        pause_s: before each request.
        orchestrator: options of the runtime, where it is the platform.
        imports: modules of the runtime's instances, beside the workload's, with spaces between.
    """

    samples: int
    quick: int | None = None
    warmup: int = 1
    pause_s: float = 0.0
    orchestrator: Mapping[str, Any] = field(default_factory=dict)
    imports: str = ""
    label = "{start_mode} {imports} {workload}, {pause_s:g} s apart by {platform}"

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        with self.served(imports=self.imports.split(), orchestrator=self.orchestrator) as one:
            samples, timings = self.ask(one, turn, one.path)
        if self.start_mode == "mixed":
            warm = samples.facts["starts"].get("warm", 0)
            samples = saying(samples, cold_share=1 - warm / len(timings))
        return {"": samples, **(_layers(samples, timings) if self.start_mode == "warm" else {})}

    def ask(self, one: Server, turn: Turn, path: str, **how: Any) -> tuple[Samples, Timings]:
        """Has a fresh process do what `_asker.drive` says; the runtime must be in the start mode.

        Returns:
            The latencies, with the moments of the starts in their facts where there may be any, and
            what the server says of each.

        Raises:
            ChildFailedError: a request failed, an answer was wrong, or the state did not come.
            NotImplementedError, WatchdogError: as `processes.run_fresh`.
        """
        says = isinstance(one, Aetherless) and self.start_mode != "mixed"
        count = turn.count(self.samples, self.quick)
        what = {
            "port": one.port, "path": path, "workload": self.workload, "seed": turn.seed,
            "count": count, "warmup": self.warmup, "pause_s": self.pause_s,
            "state": self.start_mode if says else None, **how,
        }  # fmt: skip
        most = self.warmup + count * (1 + MOST_RECOLLECTED)
        watchdog_s = _STARTING_S + most * (self.pause_s + TIMEOUT_S)
        found = run_fresh("benchmarks.experiments._asker:drive", what, watchdog_s)
        timings = found.pop("timings")
        if self.start_mode != "warm":
            found["phases"] = _phases(timings)
        return samples_of(**found), timings


def back_to_back(workload: str, platform: str = REFERENCE) -> OneAtATime:
    """Each request when the one before has its answer, the instance warm."""
    found, size = asked(workload)
    if found.name == "echo":
        count = min(WITH_TAIL, max(_FEWEST, (16 << 20) // found.variants[size]))  # in time
    elif found.name == "noop":
        count = WITH_TAIL
    else:
        count = _FEW if size == next(iter(found.variants)) else _FEWEST
    return OneAtATime(workload, platform, samples=count)


def prove_warm(one: Server) -> None:
    """Makes sure that each of the runtime's functions was started once, and was warm from then on.

    The answer of a request that passes through several tells the state of the last one only.

    Raises:
        RuntimeError: it is not so.
    """
    assert isinstance(one, Aetherless)
    for name, starts in one.starts().items():
        if starts.total() - starts["warm"] != 1:
            raise RuntimeError(f"{name} was not warm: {dict(starts)}")


def _phases(timings: Timings) -> dict[str, float]:
    """The median of each moment of the starts, in ns since the instance was asked for."""
    names = sorted({name for each in timings for name in each if name.startswith("start-")})
    return {
        f"{name.removeprefix('start-')}_ns": float(
            np.median([each[name] for each in timings if name in each])
        )
        for name in names
    }


def _layers(samples: Samples, timings: Timings) -> dict[str, Samples]:
    """Where the time of each request went; empty where the server does not say."""
    if not all(name in each for each in timings for name in STAMPED):
        return {}
    layers = {name: [each[name] for each in timings] for name in STAMPED}
    stamped = zip(samples.durations_ns, *layers.values(), strict=True)
    layers["client"] = [total - sum(parts) for total, *parts in stamped]
    return {name: replace(samples, durations_ns=each) for name, each in layers.items()}
