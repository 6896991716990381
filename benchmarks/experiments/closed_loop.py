"""1, 10 and 50 warm requests at a time, beside servers of the traditional kind.

The closed loop of the framework in Rust, whose results have kept its word for it, "crowd": each
connection asks again when it has its answer, so that what a stall would do to others who come
meanwhile is left out. Latency under an offered load is another experiment.

The runtime has one instance that takes as many requests at a time as there are connections;
uvicorn's loop and functions-framework's threads (four a processor, its default) take what comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.experiments import _loads
from benchmarks.experiments.base import REFERENCE, Requests, _Experiment, row
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.load.run import Closed

PLATFORMS = (REFERENCE, "uvicorn", "functions_framework")
CONNECTIONS = (1, 10, 50)
WARMUP = 4  # requests of each connection
SAMPLES, QUICK = 400, 200


@dataclass(frozen=True)
class Loop(Requests):
    """A closed loop of so many connections to one platform."""

    arrivals = "closed"
    label = "closed loop of {concurrency}, {workload} by {platform}"

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        connections, warmup = self.concurrency, WARMUP * self.concurrency
        arrivals = Closed(connections, warmup + turn.count(SAMPLES, QUICK))
        with self.served(connections) as one:
            one.status("GET", one.path)  # brings the instance up
            return {"": _loads.send(one, self.workload, arrivals, turn.seed, connections, warmup)}


class _ClosedLoop(_Experiment):
    """What does a request cost where so many connections each have one under way?

    Timed in the generator's process: from when a request is handed to the event loop until its
    whole answer is there. Outside: the first requests of each connection, with which connections
    and threads come up; connecting; the answer's comparison, which is made after the clock has
    stopped, and which the next request of that connection waits for.
    """

    param_names = ("platform", "connections", "workload")
    tracking = (PLATFORMS[:1], (10,), ("noop:empty",))
    study = (PLATFORMS, CONNECTIONS, ("noop:empty", "echo:bytes=1024"))
    quick = (PLATFORMS[:2], (10,), ("noop:empty",))

    def row(self, platform: str, connections: int, workload: str) -> Row:
        trial = Loop(workload, platform, concurrency=connections)
        return row(trial, "crowd", f"{trial.size}_c{connections}_{platform}")
