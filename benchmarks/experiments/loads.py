"""Many requests at a time, by the load generator."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.asker import request_of
from benchmarks.experiments.base import Outcome
from benchmarks.experiments.checks import state_of
from benchmarks.load import outcomes
from benchmarks.load.arrivals import Schedule
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import HOST, Server
from benchmarks.workloads.registry import workload

TIMEOUT_S = 10.0
_TOLD = (
    "loop", "arrivals", "seed", "offered_per_s", "sent_per_s", "achieved_per_s", "service", "lag",
    "valid", "cpu_seconds", "why",
)  # fmt: skip
_ANSWERS = "benchmarks.experiments.checks:answers"


def send(
    to: Server,
    name: str,
    size: str,
    arrivals: Schedule | Closed,
    seed: int,
    check: str | None = None,
    connections_before: int = 0,
    warmup: int = 0,
) -> Outcome:
    """Sends a load from a fresh process.

    Args:
        to: the server, which is up.
        name, size: of the workload and its variant.
        arrivals: when, or by how many at a time.
        seed: of the request.
        check: as `Load.check`; None compares each answer with that of the workload.
        connections_before: opened before the run.
        warmup: so many of the requests, the first ones, do not count.

    Returns:
        A latency for each request: from its intended start, in a closed loop from its actual one.
        One that failed counts with `TIMEOUT_S`. A run that is not valid says so in its doubts.
        `starts` are there where `check` is None and the server tells.
    """
    result = sent(to, name, size, arrivals, seed, check, connections_before)
    counts = np.arange(result.requests) >= warmup
    return Outcome(
        latencies_ns(result)[counts].tolist(),
        failures=failures(result, counts),
        starts=starts(result, counts),
        payload_size_bytes=payload_size_bytes(name, size, seed),
        doubts=[*doubts(result), *doubts_of_failures(result.requests - result.succeeded)],
        more=told(result),
    )


def sent(
    to: Server,
    name: str,
    size: str,
    arrivals: Schedule | Closed,
    seed: int,
    check: str | None = None,
    connections_before: int = 0,
) -> LoadResult:
    """As `send`, with every request of the run apart."""
    return run(
        Load(
            request=request_of(HOST, to.port, to.path, workload(name), size, seed),
            arrivals=arrivals,
            check=check or _ANSWERS,
            check_arguments=None if check else {"name": name, "size": size, "seed": seed},
            timeout_s=TIMEOUT_S,
            connections_before=connections_before,
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


def prove_warm(outcome: Outcome, platform: type[Server]) -> None:
    """Makes sure that all right answers came from warm instances, by the word of the runtime.

    Args:
        outcome: of a load whose answers were labelled.
        platform: who answered. The runtime must have said it of each; others say nothing.

    Raises:
        RuntimeError: it is not so.
    """
    says = issubclass(platform, Aetherless)
    right = len(outcome.samples_ns) - sum(outcome.failures.values()) if says else 0
    if dict(outcome.starts) != ({"warm": right} if right else {}):
        raise RuntimeError(f"not all {right} answers were warm: {dict(outcome.starts)}")


def payload_size_bytes(name: str, size: str, seed: int) -> int:
    """Of a workload's request."""
    return len(workload(name).request(size, seed)[3])


def doubts(result: LoadResult) -> list[str]:
    """What makes a run doubtful, but for its failures."""
    found = [] if result.invalid is None else [f"invalid: {result.invalid}"]
    if result.bottleneck:
        found.append(result.bottleneck)
    return found


def doubts_of_failures(count: int) -> list[str]:
    """What so many failures make doubtful."""
    return [f"{count} requests that failed count with the time-out"] if count else []


def told(result: LoadResult) -> dict[str, Any]:
    """What is said of a run beside its samples."""
    whole = result.as_dict()
    return {key: whole[key] for key in _TOLD}
