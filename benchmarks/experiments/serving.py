"""The runtime beside other servers, all asked by wrk, the public load tool.

A closed loop of so many connections for a second, by a generator that is not ours and takes less of
the processor than ours does. A round gives one sample, the time a request: what wrk took by how
many answers it got. Its percentiles, of requests that it came to send, stand in `rounds`.

Each server is fresh. Before it counts, our own generator asks for the workload and compares the
answers, of which wrk looks at the status alone; the connections are wrk's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil

from benchmarks.experiments import _loads
from benchmarks.experiments.base import REFERENCE, Requests, _Experiment, row
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.load import wrk
from benchmarks.load.run import Closed
from benchmarks.servers.base import HOST, Server
from benchmarks.workloads.registry import asked

SERVED = 16  # requests that a server takes at a time
LONG_SECONDS = 4
WARMUP = 20  # requests of each connection


@dataclass(frozen=True, kw_only=True)
class Wrk(Requests):
    """wrk's closed loop of so many connections to one platform.

    In a long run the memory of the server's first process is looked at, too: in a short one what is
    kept once, and pages that come and go, hide what each request leaves behind.

    Attributes:
        seconds: how long.
    """

    seconds: int = 1
    arrivals = "closed"
    label = "{seconds} s of wrk, {concurrency} connections, {workload} by {platform}"

    def missing(self) -> str | None:
        return wrk.missing() or super().missing()

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        warmup = Closed(self.concurrency, WARMUP * self.concurrency)
        with self.served(SERVED) as one:
            one.status("GET", one.path)  # brings the instance up
            checked = _loads.sent(one, self.workload, warmup, turn.seed)
            if checked.failures:
                raise RuntimeError(f"{one.name} answered wrongly: {checked.why}")
            is_long = self.seconds >= LONG_SECONDS
            return {"": self._watched(one) if is_long else self._loaded(one, self.seconds)}

    def _watched(self, one: Server) -> Samples:
        """As `_loaded`, with what became of the memory meanwhile."""
        self._loaded(one, self.seconds // 4)  # what is kept once is there then
        before = _memory_bytes(one)
        samples = self._loaded(one, self.seconds)
        growth = (_memory_bytes(one) - before) / samples.number
        more = {"memory_bytes_before": before, "memory_growth_bytes_per_request": growth}
        return replace(samples, facts={**samples.facts, **more})

    def _loaded(self, one: Server, seconds: int) -> Samples:
        url = f"http://{HOST}:{one.port}{one.path}"
        load = wrk.run(url, self.concurrency, seconds, self.payload_size_bytes)
        if load.failed:
            raise RuntimeError(f"{one.name}: {load.failed} of {load.requests} requests failed")
        return Samples(
            durations_ns=[load.duration_us * 1e3 / load.requests],
            number=load.requests,
            facts={
                "requests": load.requests,
                "per_second": load.per_second,
                "p50_ns": load.p50_us * 1e3,
                "p99_ns": load.p99_us * 1e3,
            },
        )

    @property
    def payload_size_bytes(self) -> int:
        """Of each request, which is text."""
        workload, size = asked(self.workload)
        return workload.variants[size]


def _memory_bytes(one: Server) -> int:
    """Of the server's first process, what is its alone."""
    return int(psutil.Process(one.pid).memory_full_info().uss)


def _told(rounds: Sequence[Samples]) -> dict[str, Any]:
    """The rounds' facts, and their medians."""
    facts = [dict(each.facts) for each in rounds]
    medians = {key: float(np.median([each[key] for each in facts])) for key in facts[0]}
    return {**medians, "rounds": facts}


def _row(trial: Wrk, experiment: str = "serving") -> Row:
    sent = trial.payload_size_bytes
    variant = f"{f'{trial.size}_' if sent else ''}c{trial.concurrency}_{trial.platform}"
    return row(trial, experiment, variant, told=_told, payload_size_bytes=sent)


class _Serving(_Experiment):
    """How long does a noop's request take a server, of as many as it can answer?

    Timed by wrk: the whole of its run by the answers that it got.
    """

    param_names = ("platform", "connections")
    tracking = ((REFERENCE,), (10,))
    study = ((REFERENCE, "uvicorn", "granian", "functions_framework"), (1, 10))

    def row(self, platform: str, connections: int) -> Row:
        return _row(Wrk("noop:empty", platform, concurrency=connections))


class _ServingPayload(_Experiment):
    """The same of an echo of text, over four connections."""

    param_names = ("platform", "payload_size_bytes")
    study = ((REFERENCE, "aetherless_proxied", "uvicorn"), (1 << 20,))

    def row(self, platform: str, payload_size_bytes: int) -> Row:
        return _row(Wrk(f"echo:bytes={payload_size_bytes}", platform, concurrency=4))


class _LongRun(_Experiment):
    """Does the runtime's first process grow with the requests that it has served?

    Timed as in `Serving`, for longer; the metadata has `memory_growth_bytes_per_request`, of the
    memory that is that process's alone.
    """

    param_names = ("connections",)
    study = ((10,),)

    def row(self, connections: int) -> Row:
        return _row(Wrk("noop:empty", concurrency=connections, seconds=LONG_SECONDS), "long_run")
