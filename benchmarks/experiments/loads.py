"""Many requests at a time, by the load generator."""

from __future__ import annotations

from benchmarks.baselines.servers.base import HOST, Server
from benchmarks.experiments.base import Outcome
from benchmarks.harness.load.arrivals import Schedule
from benchmarks.harness.load.request import Request
from benchmarks.harness.load.run import Closed, Load, run
from benchmarks.workloads.registry import workload

TIMEOUT_S = 10.0


def send(
    to: Server,
    name: str,
    size: str,
    arrivals: Schedule | Closed,
    seed: int,
    check: str | None = None,
    connections_before: int = 0,
) -> Outcome:
    """Sends a load from a fresh process.

    Args:
        to: the server, which is up.
        name, size: of the workload and its variant.
        arrivals: when, or by how many at a time.
        seed: of the request.
        check: as `Load.check`.
        connections_before: opened before the run.

    Returns:
        A latency for each request: from its intended start, in a closed loop from its actual one.
        One that failed counts with `TIMEOUT_S`. A run that is not valid, or whose generator was
        what limited it, says so in its doubts.
    """
    method, below, headers, body = workload(name).request(size, seed)
    request = Request(
        HOST, to.port, to.path.rstrip("/") + below, method, tuple(headers.items()), body
    )
    result = run(
        Load(
            request=request,
            arrivals=arrivals,
            check=check,
            timeout_s=TIMEOUT_S,
            connections_before=connections_before,
        )
    )
    latency_ns = result.latency_ns.clip(max=TIMEOUT_S * 1e9)
    told = result.as_dict()
    doubts = [] if result.invalid is None else [f"invalid: {result.invalid}"]
    if failed := sum(result.failures.values()):
        doubts.append(f"{failed} requests that failed count with the time-out")
    return Outcome(
        latency_ns.tolist(),
        failures=result.failures,
        payload_size_bytes=len(body),
        doubts=doubts,
        more={
            key: told[key]
            for key in (
                "loop", "arrivals", "seed", "offered_per_s", "sent_per_s", "achieved_per_s",
                "service", "lag", "valid", "cpu_seconds", "why",
            )
        },
    )  # fmt: skip
