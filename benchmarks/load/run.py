"""One run of load, in a fresh process of its own."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.harness.processes import run_fresh
from benchmarks.load.arrivals import MOST_REQUESTS, Schedule
from benchmarks.load.record import unpacked
from benchmarks.load.request import Request
from benchmarks.load.result import LAG_BOUND_NS, LoadResult

MOST_CONNECTIONS = 20_000  # to one address: a machine has some 28,000 ports for them
LONGEST_TIMEOUT_S = 3600.0
_STARTING_S = 60.0
_SLOWEST_PER_S = 5000.0  # a generator that comes too late sends all the same, and says so


@dataclass(frozen=True, slots=True)
class Closed:
    """The arrivals of a closed loop: there are none, each answer brings the next request.

    Attributes:
        connections: each with one request at a time.
        count: the most requests in all.
        duration_s: after which no request is begun; None for all of `count`.

    Raises:
        ValueError: an attribute is out of bounds.
    """

    connections: int
    count: int
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.count <= MOST_REQUESTS:
            raise ValueError(f"{self.count} requests: give 1 to {MOST_REQUESTS}")
        if not 0 < self.connections <= min(MOST_CONNECTIONS, self.count):
            raise ValueError(f"{self.connections} connections: give 1 to {MOST_CONNECTIONS}, and "
                             "not more than requests")  # fmt: skip
        if self.duration_s is not None and not (0 < self.duration_s < math.inf):
            raise ValueError(f"duration {self.duration_s}: give a number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is sent, when, and what is asked of the answers.

    Attributes:
        request: what is sent.
        arrivals: a schedule for an open loop, `Closed` for a closed one.
        check: "module:function", called in the generator's process with each answer's status,
            headers and body; raises where they are wrong, and may give a label of the answer.
            None asks for a 2xx.
        check_arguments: with these the function is called once, before the run, and gives the
            check; they travel as JSON. None where it is the check itself.
        timeout_s: from when a request is begun to its whole answer, the connecting included.
        most_connections: of an open loop, at a time.
        connections_before: opened before the run.
        lag_bound_ns: a run whose generator lag has a higher p99 is invalid.

    Raises:
        ValueError: an attribute is out of bounds.
    """

    request: Request
    arrivals: Schedule | Closed
    check: str | None = None
    check_arguments: Mapping[str, Any] | None = None
    timeout_s: float = 10.0
    most_connections: int = 1000
    connections_before: int = 0
    lag_bound_ns: int = LAG_BOUND_NS

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= LONGEST_TIMEOUT_S:
            raise ValueError(f"time-out {self.timeout_s}: give up to {LONGEST_TIMEOUT_S:.0f} s")
        if not 0 < self.most_connections <= MOST_CONNECTIONS:
            raise ValueError(f"{self.most_connections} connections: give 1 to {MOST_CONNECTIONS}")
        if not 0 <= self.connections_before <= self.connections:
            raise ValueError(
                f"{self.connections_before} connections before the run: {self.connections} are "
                "allowed during it"
            )
        if self.lag_bound_ns <= 0:
            raise ValueError(f"lag bound {self.lag_bound_ns}: give a number above 0")
        if self.check is not None and not all(self.check.partition(":")):
            raise ValueError(f"check {self.check!r}: give module:function")
        if self.check is None and self.check_arguments is not None:
            raise ValueError("arguments of a check, but no check: give module:function")

    @property
    def connections(self) -> int:
        """The most that are open at a time."""
        if isinstance(self.arrivals, Closed):
            return self.arrivals.connections
        return self.most_connections


def run(load: Load, cpu: int | None = None, watchdog_s: float | None = None) -> LoadResult:
    """Sends the load from a fresh process.

    Args:
        load: what to send.
        cpu: the processor that the generator is pinned to, None for any.
        watchdog_s: after which the run is ended without a result; None for as long as it can
            take by its schedule and time-out.

    Raises:
        NotImplementedError, ProcessError: as `processes.run_fresh`.
    """
    arrivals = load.arrivals
    open_, closed = (None, arrivals) if isinstance(arrivals, Closed) else (arrivals, None)
    arguments: dict[str, Any] = {
        "request": {**asdict(load.request), "body": base64.b64encode(load.request.body).decode()},
        "intended": open_ and base64.b64encode(open_.intended_ns.tobytes()).decode(),
        "closed": closed and asdict(closed),
        "check": load.check,
        "check_arguments": load.check_arguments,
        "timeout_s": load.timeout_s,
        "most_connections": load.connections,
        "connections_before": load.connections_before,
    }
    longest_s = _longest_s(load) if watchdog_s is None else watchdog_s
    came = run_fresh("benchmarks.load.engine:drive", arguments, longest_s, cpu)
    return LoadResult(
        loop="open" if open_ else "closed",
        arrivals={"kind": open_.kind, **open_.parameters} if open_ else arguments["closed"],
        seed=open_.seed if open_ else None,
        offered_per_s=open_.offered_per_s if open_ else None,
        lag_bound_ns=load.lag_bound_ns,
        **unpacked(came.pop("record")),
        **came,
    )


def _longest_s(load: Load) -> float:
    arrivals = load.arrivals
    if isinstance(arrivals, Schedule) or arrivals.duration_s is not None:
        assert arrivals.duration_s is not None
        sending_s = arrivals.duration_s
        if isinstance(arrivals, Schedule):
            sending_s += len(arrivals.intended_ns) / _SLOWEST_PER_S
    else:
        sending_s = math.ceil(arrivals.count / arrivals.connections) * load.timeout_s
    return sending_s + 2 * load.timeout_s + _STARTING_S
