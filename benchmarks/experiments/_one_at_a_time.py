"""Requests one at a time to one platform: what most experiments are made of.

Timed, in the asker's process: from when a request is handed to the kernel until its whole answer is
there, over a kept connection. Outside: starting, connecting, pausing, checking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks import package
from benchmarks.experiments import base
from benchmarks.experiments._asker import Asking, ask
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.servers import server
from benchmarks.servers.aetherless import Aetherless, AetherlessProxied
from benchmarks.workloads.registry import workload

STAMPED = ("gateway", "queue", "transport", "function")  # by the runtime, of each request
GONE_S = 0.05  # in which an instance is ended, and what it has used up is there again
WITH_TAIL = 130  # samples a round: eight rounds carry a p99
_FEW, _FEWEST = 12, 5
_WARM = "warm"


@dataclass(frozen=True, kw_only=True)
class OneAtATime(base._Requests):
    """Requests to one platform, one at a time.

    It gives their latencies as "". Where the runtime answers from a warm instance, it also gives
    where the time of each went: the layers that the runtime has stamped, and "client", the rest.

    Attributes:
        workload, size: what is asked for.
        samples, quick: of each round, as a rule and where it must be quick.
        platform: who answers.
        start_mode: what each answer must say; "mixed" takes all.
        pause_s: before each request.
        orchestrator: options of the runtime, where it is the platform.
        imports: modules of the runtime's instances, beside the workload's, with spaces between.
    """

    workload: str
    size: str
    samples: int
    quick: int | None = None
    platform: str = "aetherless"
    start_mode: str = _WARM
    pause_s: float = 0.0
    orchestrator: Mapping[str, Any] = field(default_factory=dict)
    imports: str = ""
    label = "{start_mode} {imports} {workload}:{size}, {pause_s:g} s apart by {platform}"

    @property
    def turn_s(self) -> float:  # type: ignore[override]
        """As `Trial.turn_s`."""
        return 0.45 + (self.samples + 1) * (self.pause_s + 0.001)

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        lacks = super().missing()
        if lacks is None and self.start_mode in ("spawn", "zygote", "criu"):
            lacks = package.strategy(self.start_mode).missing()
        return lacks

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`.

        Where instances may be started, the moments of the starts are in the facts, and where the
        mode is "mixed" the share of requests that were cold.
        """
        asked, kind = workload(self.workload), server(self.platform)
        count = turn.count(self.samples, self.quick)
        says = issubclass(kind, Aetherless)  # others say nothing of their instances
        options: dict[str, Any] = {}
        if says:
            options = {"memory_limit_mb": asked.memory_mb, "orchestrator": self._orchestrator()}
        if says and kind is not AetherlessProxied:  # an executable imports by itself
            options["imports"] = [*asked.imports, *self.imports.split()]
        with kind(asked.module, **options) as one:
            found = ask(
                Asking(
                    port=one.port, path=one.path, name=asked.name, size=self.size, count=count,
                    seed=turn.seed, pause_s=self.pause_s,
                    state=self.start_mode if says and self.start_mode != "mixed" else None,
                )
            )  # fmt: skip
        more: dict[str, Any] = {}
        if self.start_mode != _WARM:
            more["phases"] = phases(found["timings"])
        if self.start_mode == "mixed":
            more["cold_share"] = 1 - found["starts"].get(_WARM, 0) / count
        made = samples_of(found, **more)
        layers = _layers(found) if self.start_mode == _WARM else {}
        return {
            "": made,
            **{name: samples_of(found, durations_ns) for name, durations_ns in layers.items()},
        }

    def _orchestrator(self) -> dict[str, Any]:
        kept = {} if self.start_mode in (_WARM, "mixed") else {"keep_alive_s": 0}
        return {**kept, **self.orchestrator}


def back_to_back(name: str, size: str, platform: str = "aetherless") -> OneAtATime:
    """Each request when the one before has its answer, the instance warm.

    Args:
        name, size: of the workload.
        platform: who answers.
    """
    if name == "echo":
        in_time = (16 << 20) // workload(name).variants[size]
        count = min(WITH_TAIL, max(_FEWEST, in_time))
    else:
        smallest = next(iter(workload(name).variants))
        count = WITH_TAIL if name == "noop" else _FEW if size == smallest else _FEWEST
    return OneAtATime(workload=name, size=size, samples=count, platform=platform)


def samples_of(
    found: Mapping[str, Any], durations_ns: Sequence[float] | None = None, **more: Any
) -> Samples:
    """The samples of what `ask` has found.

    Args:
        found: that.
        durations_ns: None for the latencies.
        more: what else there is to say.
    """
    return base.samples_of(
        found["latency_ns"] if durations_ns is None else durations_ns,
        starts=found["starts"],
        payload_size_bytes=found["payload_size_bytes"],
        recollected=found["recollected"],
        **more,
    )


def phases(timings: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each moment of the starts, in ns since the instance was asked for."""
    names = sorted({name for each in timings for name in each if name.startswith("start-")})
    return {
        f"{name.removeprefix('start-')}_ns": float(
            np.median([each[name] for each in timings if name in each])
        )
        for name in names
    }


def _layers(found: Mapping[str, Any]) -> dict[str, list[float]]:
    """Where the time of each request went; empty where the server does not say."""
    timings = found["timings"]
    if not all(name in each for each in timings for name in STAMPED):
        return {}
    layers = {name: [each[name] for each in timings] for name in STAMPED}
    layers["client"] = [
        total - sum(each[name] for name in STAMPED)
        for total, each in zip(found["latency_ns"], timings, strict=True)
    ]
    return layers
