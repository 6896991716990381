"""Many requests at a time, by the load generator: in a closed loop, or in an open one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments._asker import request_of
from benchmarks.experiments.base import samples_of
from benchmarks.harness.samples import Samples
from benchmarks.load.arrivals import Schedule
from benchmarks.load.result import LAG_BOUND_NS, LoadResult
from benchmarks.load.run import Closed, Load, run
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import Server

TIMEOUT_S = 10.0
_TOLD = (
    "loop", "arrivals", "seed", "offered_per_s", "sent_per_s", "achieved_per_s", "service", "lag",
    "valid", "cpu_seconds", "why",
)  # fmt: skip
_OF_EACH = ("intended_ns", "lag_ns", "connect_ns", "service_ns", "outcome", "label_at")


def send(
    to: Server,
    workload: str,
    arrivals: Schedule | Closed,
    seed: int,
    connections_before: int = 0,
    warmup: int = 0,
) -> Samples:
    """Sends a load to a server that is up; every right answer of the runtime's must be warm.

    Args:
        workload: and its variant, in the form of `asked`.
        arrivals: when, or by how many at a time.
        connections_before: opened before the run.
        warmup: so many of the requests, the first ones, do not count.

    Returns:
        A latency for each request: from its intended start, in a closed loop from its actual one.
        One that failed counts with `TIMEOUT_S`. Where the generator was late past its bound they
        are not valid. `starts` are there where the server tells.

    Raises:
        RuntimeError: an answer was not warm.
        NotImplementedError, ProcessError: as `load.run.run`.
    """
    result = sent(to, workload, arrivals, seed, connections_before)
    body = request_of(to.port, to.path, workload, seed).body
    made = samples(result, warmup, len(body))
    if isinstance(to, Aetherless):
        prove_warm(made)
    return made


def samples(result: LoadResult, warmup: int = 0, payload_size_bytes: int = 0) -> Samples:
    """The samples of a run, as `send` gives them."""
    counting = those_of(result, slice(warmup, None))
    return samples_of(
        latencies_ns(counting).tolist(),
        failures=counting.failures,
        starts=starts(counting),
        payload_size_bytes=payload_size_bytes,
        warnings=[
            *([result.bottleneck] if result.bottleneck else []),
            *warnings_of_failures(result.requests - result.succeeded),
        ],
        invalid=result.invalid,
        **told(result),
    )


def sent(
    to: Server,
    workload: str,
    arrivals: Schedule | Closed,
    seed: int,
    connections_before: int = 0,
    lag_bound_ns: int = LAG_BOUND_NS,
) -> LoadResult:
    """As `send`, with every request of the run apart, and with a bound as `Load.lag_bound_ns`."""
    return run(
        Load(
            request=request_of(to.port, to.path, workload, seed),
            arrivals=arrivals,
            check="benchmarks.experiments._asker:answers",  # with what the workload must answer
            check_arguments={"workload": workload, "seed": seed},
            timeout_s=TIMEOUT_S,
            connections_before=connections_before,
            lag_bound_ns=lag_bound_ns,
        )
    )


def those_of(result: LoadResult, chosen: slice) -> LoadResult:
    """Some of the requests of a run, of which nothing else is another."""
    return replace(result, **{name: getattr(result, name)[chosen] for name in _OF_EACH})


def latencies_ns(result: LoadResult) -> NDArray[np.float64]:
    """Of each request; of one that failed the time-out."""
    return result.latency_ns.clip(max=TIMEOUT_S * 1e9)


def starts(result: LoadResult) -> Counter[str]:
    """How many requests found their instance in which state."""
    found: Counter[str] = Counter()
    for label, count in result.labelled.items():
        found[label.partition(" ")[0]] += count
    return +found  # without those of other requests of the run


def prove_warm(samples: Samples) -> None:
    """Makes sure that all right answers came from warm instances, by the word of the runtime.

    Raises:
        RuntimeError: it is not so.
    """
    found = Counter(samples.facts["starts"])
    right = len(samples.durations_ns) - sum(samples.facts["failures"].values())
    if found != Counter(warm=right):
        raise RuntimeError(f"not all {right} answers were warm: {dict(found)}")


def warnings_of_failures(count: int) -> list[str]:
    """What so many failures make doubtful."""
    return [f"{count} requests that failed count with the time-out"] if count else []


def told(result: LoadResult) -> dict[str, Any]:
    """What is said of a run beside its samples."""
    whole = result.as_dict()
    return {key: whole[key] for key in _TOLD}
