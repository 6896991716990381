"""Many requests at a time, by the load generator."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments._asker import request_of
from benchmarks.experiments._checks import state_of
from benchmarks.experiments.base import samples_of
from benchmarks.harness.samples import Samples
from benchmarks.load import outcomes
from benchmarks.load.arrivals import Schedule
from benchmarks.load.result import LAG_BOUND_NS, LoadResult
from benchmarks.load.run import Closed, Load, run
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import HOST, Server
from benchmarks.workloads.registry import workload

TIMEOUT_S = 10.0
_TOLD = (
    "loop", "arrivals", "seed", "offered_per_s", "sent_per_s", "achieved_per_s", "service", "lag",
    "valid", "cpu_seconds", "why",
)  # fmt: skip
_ANSWERS = "benchmarks.experiments._checks:answers"


def send(
    to: Server,
    name: str,
    size: str,
    arrivals: Schedule | Closed,
    seed: int,
    connections_before: int = 0,
    warmup: int = 0,
) -> Samples:
    """Sends a load from a fresh process.

    Args:
        to: the server, which is up.
        name, size: of the workload and its variant.
        arrivals: when, or by how many at a time.
        seed: of the request.
        connections_before: opened before the run.
        warmup: so many of the requests, the first ones, do not count.

    Returns:
        A latency for each request: from its intended start, in a closed loop from its actual one.
        One that failed counts with `TIMEOUT_S`. Where the generator was late past its bound they
        are not valid. `starts` are there where the server tells.
    """
    result = sent(to, name, size, arrivals, seed, connections_before)
    counts = np.arange(result.requests) >= warmup
    return samples_of(
        latencies_ns(result)[counts].tolist(),
        failures=failures(result, counts),
        starts=starts(result, counts),
        payload_size_bytes=payload_size_bytes(name, size, seed),
        warnings=[*warnings(result), *warnings_of_failures(result.requests - result.succeeded)],
        invalid=result.invalid,
        **told(result),
    )


def sent(
    to: Server,
    name: str,
    size: str,
    arrivals: Schedule | Closed,
    seed: int,
    connections_before: int = 0,
    lag_bound_ns: int = LAG_BOUND_NS,
) -> LoadResult:
    """As `send`, with every request of the run apart, and with a bound as `Load.lag_bound_ns`."""
    return run(
        Load(
            request=request_of(HOST, to.port, to.path, workload(name), size, seed),
            arrivals=arrivals,
            check=_ANSWERS,  # with what the workload must answer
            check_arguments={"name": name, "size": size, "seed": seed},
            timeout_s=TIMEOUT_S,
            connections_before=connections_before,
            lag_bound_ns=lag_bound_ns,
        )
    )


def latencies_ns(result: LoadResult) -> NDArray[np.float64]:
    """Of each request; of one that failed the time-out."""
    return result.latency_ns.clip(max=TIMEOUT_S * 1e9)


def failures(result: LoadResult, chosen: NDArray[np.bool_]) -> Counter[str]:
    """How many of the chosen requests failed, by class."""
    codes = result.outcome[chosen & (result.outcome != outcomes.OK)]
    return Counter(outcomes.name(int(code)) for code in codes)


def starts(result: LoadResult, chosen: NDArray[np.bool_]) -> Counter[str]:
    """How many of the chosen requests found their instance in which state."""
    labels = (result.labels[at] for at in result.label_at[chosen])
    return Counter(state_of(label) for label in labels if label)


def prove_warm(samples: Samples, platform: type[Server]) -> None:
    """Makes sure that all right answers came from warm instances, by the word of the runtime.

    Args:
        samples: of a load whose answers were labelled.
        platform: who answered. The runtime must have said it of each; others say nothing.

    Raises:
        RuntimeError: it is not so.
    """
    says = issubclass(platform, Aetherless)
    failed = sum(samples.facts["failures"].values())
    right = len(samples.durations_ns) - failed if says else 0
    found = dict(samples.facts["starts"])
    if found != ({"warm": right} if right else {}):
        raise RuntimeError(f"not all {right} answers were warm: {found}")


def payload_size_bytes(name: str, size: str, seed: int) -> int:
    """Of a workload's request."""
    return len(workload(name).request(size, seed)[3])


def warnings(result: LoadResult) -> list[str]:
    """What makes a run doubtful, but for its failures."""
    return [result.bottleneck] if result.bottleneck else []


def warnings_of_failures(count: int) -> list[str]:
    """What so many failures make doubtful."""
    return [f"{count} requests that failed count with the time-out"] if count else []


def told(result: LoadResult) -> dict[str, Any]:
    """What is said of a run beside its samples."""
    whole = result.as_dict()
    return {key: whole[key] for key in _TOLD}
