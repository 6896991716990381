"""The load generator by itself, against a server in C that answers at once: a control.

No commit of the package can change it. Where it moves, the machine has changed, or the generator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.experiments import _loads
from benchmarks.experiments.base import Requests, _Experiment, row, samples_of
from benchmarks.harness.noop_server import noop_server
from benchmarks.harness.processes import available_cpus
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.load.arrivals import constant
from benchmarks.load.ceiling import CONNECTIONS
from benchmarks.load.request import Request
from benchmarks.load.run import Load, run
from benchmarks.servers.base import HOST, not_installed

RATE_PER_S = 5000.0
RUN_S = 0.4


@dataclass(frozen=True)
class Generating(Requests):
    """A constant rate to the server in C; its parts are "latency" and "lag"."""

    workload: str = "noop:empty"
    platform: str = "noop_server"
    start_mode: str = "none"
    concurrency: int = CONNECTIONS
    arrivals = "constant"
    rate = RATE_PER_S
    label = "the load generator"

    def missing(self) -> str | None:
        return not_installed("hdrh", "httptools", "uvloop")

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        cpus = available_cpus()
        run_s = turn.count(round(RATE_PER_S * RUN_S)) / RATE_PER_S
        with noop_server(cpus[-1]) as port:
            load = Load(
                request=Request(HOST, port),
                arrivals=constant(RATE_PER_S, run_s),
                connections_before=CONNECTIONS,
            )
            came = run(load, cpus[0])
        if came.failures:
            raise RuntimeError(f"the server in C failed: {came.why}")
        lag = samples_of(came.lag_ns.tolist(), **_loads.told(came))
        return {"latency": _loads.samples(came), "lag": lag}


class _Generator(_Experiment):
    """How late is the generator, and what does it see of a server that answers at once?

    `lag` runs from a request's intended start until the generator turns to it; `latency` until its
    answer is there. 5,000 requests a second, constant, over 50 connections; the generator is pinned
    to the first processor, the server to the last one.
    """

    param_names = ("quantity",)
    tracking = (("latency",),)
    study = (("latency", "lag"),)

    def row(self, quantity: str) -> Row:
        return row(Generating(), "generator", f"rate{RATE_PER_S:g}_{quantity}", quantity, beside={})
