"""1, 10 and 50 warm requests at a time, beside servers of the traditional kind.

The closed loop of the framework in Rust, and labelled as one (`arrivals` "closed"): each connection
asks again when it has its answer, so that what a stall would do to others who come meanwhile is
left out. Latency under an offered load is another experiment.

Timed, in the generator's process: from when a request is handed to the event loop until its whole
answer is there. Outside: the first requests of each connection, with which connections and threads
come up; connecting; the answer's comparison, which is made after the clock has stopped, and which
the next request of that connection waits for.

The runtime has one instance that takes as many requests at a time as there are connections;
uvicorn's loop and functions-framework's threads (four a processor, its default) take what comes.
"""

from __future__ import annotations

from benchmarks.experiments import loads
from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.load.run import Closed
from benchmarks.servers import server
from benchmarks.workloads.registry import workload

CONNECTIONS = (1, 10, 50)
PLATFORMS = ("aetherless", "uvicorn", "functions_framework")
WARMUP = 4  # requests of each connection


class Crowd(Trial):
    """A closed loop of so many connections to one platform.

    Args:
        name, size: of the workload.
        connections: each with one request at a time.
        platform: who answers.
    """

    samples, quick_samples = 500, 400

    def __init__(self, name: str, size: str, connections: int, platform: str) -> None:
        self._size = size
        prefix = f"{size.replace('=', '')}_c{connections}"
        beside = () if platform != PLATFORMS[0] else PLATFORMS[1:]
        case = Case(
            experiment="crowd",
            workload=name,
            variant=f"{prefix}_{platform}",
            platform=platform,
            arrivals="closed",
            concurrency=connections,
            beside=tuple(f"{prefix}_{other}" for other in beside),
        )
        self.name, self.cases = case.name, (case,)
        self.group = case.of(prefix)

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return server(self.cases[0].platform).missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        [case] = self.cases
        warmup = WARMUP * case.concurrency
        asked = workload(case.workload)
        with server(case.platform)(asked.module, case.concurrency) as one:
            one.status("GET", one.path)  # brings the instance up
            outcome = loads.send(
                one, case.workload, self._size, Closed(case.concurrency, warmup + samples), seed,
                connections_before=case.concurrency, warmup=warmup,
            )  # fmt: skip
        loads.prove_warm(outcome, server(case.platform))
        return {case.name: outcome}


TRIALS: list[Trial] = [
    Crowd(name, size, connections, platform)
    for name, size in (("noop", "empty"), ("echo", "bytes=1024"))
    for connections in CONNECTIONS
    for platform in PLATFORMS
]
QUICK = ("crowd_noop_empty_c10_aetherless",)
