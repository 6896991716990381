"""Latency against offered load, up to saturation: the runtime beside the traditional ways.

The runtime over shared memory, the runtime before the same function as a proxied HTTP server, and
the ways that others serve a function; each with the same function, and with room for as many
requests at a time. uvicorn with the function in its own process is the reference: no way of serving
that keeps functions apart can be expected to beat it.

Open loop: Poisson arrivals from a recorded seed, the shape of independent clients. Timed, in the
generator's process: from a request's intended start until its whole answer is there, so that the
wait of those who find the server busy is in it. Failures and time-outs count with the time-out. All
instances are warm. Outside: the first `WARMUP` requests of the schedule, in which the generator's
code runs for the first time, connections are opened by requests that find none idle (they are kept;
none is there before, since servers with a pool of threads, as gunicorn, have a thread wait for the
first request of each), and a queue gets as long as it will be.

There are two axes, since either alone would flatter somebody:

- `load25` to `load110`: shares, in percent, of the platform's own capacity, so that the curves'
  shapes can be compared: how soon does it queue? With equal counts all platforms see the same time
  in units of their own service time, and with equal seeds the same pattern of arrivals.
- `rate200` to `rate2000`: the same requests a second for all. A platform that does not carry a rate
  gets it nevertheless, and is told to be saturated: there the latency is that of a backlog which
  grows as long as the load lasts, here the time of `samples` requests.

The capacity is measured first, in the same server: what a closed loop of as many connections as the
server takes requests at a time achieves in `CAPACITY_S`, after one as long that does not count. It
stands in each round (`capacity_per_s`)
beside the rate that came of it. The points follow in an order drawn from the seed. A share of a
capacity that is not quite right moves a point along the curve, for every platform alike.

The generator shares the machine's processors with the server, as no client elsewhere would. Where
that makes it late the round is doubtful, and says so. It also polls before each start, which costs
more of a processor than the closed loop that found the capacity: on two processors a server of
several processes may be saturated below 100 %, and says so, too.

The tail-to-median ratio of each point is that of STeLLAR (Ustiugov et al., IISWC 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments import loads
from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.load.arrivals import poisson_of
from benchmarks.load.run import Closed
from benchmarks.servers import SERVERS, server
from benchmarks.servers.base import Server
from benchmarks.workloads.registry import workload

PLATFORMS = tuple(
    name
    for name in (
        "aetherless", "aetherless_proxied", "functions_framework", "lambda_runtime", "container",
        "uvicorn",
    )
    if name in SERVERS
)  # fmt: skip
CONCURRENCY = 16
CAPACITY_S = 0.4
WARMUP = 200  # requests; with a service time of 1, a queue at 75 % settles within some 60
_MOST_IN_CAPACITY = 100_000  # requests: more than any server answers in that time
CARRIED = 0.9  # of what is offered: with less there is a backlog


@dataclass(frozen=True, slots=True)
class Point:
    """A place on the axis: a share of the capacity in percent, or a rate in requests a second."""

    percent: int | None = None
    rate_per_s: float | None = None

    @property
    def name(self) -> str:
        """Its part of the variant."""
        return f"load{self.percent}" if self.rate_per_s is None else f"rate{self.rate_per_s:g}"

    def offered_per_s(self, capacity_per_s: float) -> float:
        """The rate, at a server of that capacity."""
        if self.rate_per_s is not None:
            return self.rate_per_s
        assert self.percent is not None
        return capacity_per_s * self.percent / 100


SHARES = tuple(Point(percent=each) for each in (25, 50, 75, 90, 110))
RATES = tuple(Point(rate_per_s=each) for each in (200.0, 800.0, 2000.0))
HALF = SHARES[1]  # where a tail-to-median ratio is wanted


class LoadCurve(Trial):
    """Some points of one platform's curve.

    Args:
        name, size: of the workload.
        platform: who answers.
        points: of the curve.
    """

    # Six rounds carry a p99: 21 samples lie beyond it.
    samples, quick_samples = 360, 120

    def __init__(self, name: str, size: str, platform: str, points: Sequence[Point]) -> None:
        self._size, self._points = size, tuple(points)
        short = size.replace("=", "")
        self.cases = tuple(
            Case(
                experiment="load_curve",
                workload=name,
                variant=f"{short}_{point.name}_{platform}",
                platform=platform,
                arrivals="poisson",
                rate=point.rate_per_s,
                concurrency=CONCURRENCY,
                beside=()
                if platform == PLATFORMS[0]
                else (f"{short}_{point.name}_{PLATFORMS[0]}",),
                more={} if point.percent is None else {"percent_of_capacity": point.percent},
            )
            for point in self._points
        )
        which = f"_{self._points[0].name}" if len(self._points) == 1 else ""
        self.name = f"load_curve_{name}_{short}{which}_{platform}"
        self.group = f"load_curve_{name}_{short}"
        self._platform, self._workload = platform, workload(name)

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return self._workload.missing() or server(self._platform).missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        outcomes: dict[str, Outcome] = {}
        with server(self._platform)(self._workload.module, CONCURRENCY) as one:
            one.status("GET", one.path)  # brings the instance up
            self._capacity(one, seed)  # with all that happens once
            capacity_per_s, doubts = self._capacity(one, seed)
            for at in np.random.default_rng(seed).permutation(len(self._points)):
                offered_per_s = self._points[at].offered_per_s(capacity_per_s)
                arrivals = poisson_of(offered_per_s, WARMUP + samples, seed)
                outcome = loads.send(
                    one, self._workload.name, self._size, arrivals, seed, warmup=WARMUP
                )
                loads.prove_warm(outcome, server(self._platform))
                outcome.doubts = [*doubts, *outcome.doubts]
                outcomes[self.cases[at].name] = _told(
                    outcome, arrivals.offered_per_s, arrivals.intended_ns[WARMUP:], capacity_per_s
                )
        return outcomes

    def _capacity(self, one: Server, seed: int) -> tuple[float, list[str]]:
        """Requests a second that it answers, and what is doubtful about that.

        Raises:
            RuntimeError: it does not answer all of them rightly.
        """
        came = loads.send(
            one, self._workload.name, self._size,
            Closed(CONCURRENCY, _MOST_IN_CAPACITY, CAPACITY_S), seed,
            connections_before=CONCURRENCY,
        )  # fmt: skip
        if came.failures:
            raise RuntimeError(f"{one.name} failed in a closed loop: {came.more['why']}")
        doubts = [f"its capacity, of which the load is a share: {doubt}" for doubt in came.doubts]
        return float(came.more["achieved_per_s"]), doubts


def _told(
    outcome: Outcome, offered_per_s: float, intended_ns: NDArray[np.int64], capacity_per_s: float
) -> Outcome:
    """With what the curve's reader must know of it.

    Args:
        outcome: of the requests that count.
        offered_per_s: with those before them.
        intended_ns: the starts of those that count.
        capacity_per_s: of the platform.
    """
    if offered_per_s > capacity_per_s or _grows(outcome.samples_ns, intended_ns):
        outcome.doubts = [
            *outcome.doubts,
            "saturated: more was offered than carried; the latency is that of a growing backlog",
        ]
    outcome.more = {"capacity_per_s": capacity_per_s, **outcome.more}
    return outcome


def _grows(latency_ns: Sequence[float], intended_ns: NDArray[np.int64]) -> bool:
    """Whether a backlog grows, as one of less than `CARRIED` does.

    What carries the share c of the load makes requests wait 1 / c - 1 seconds longer with each
    second of the schedule. The last quarter of the requests is held against the first one, by
    medians: a slow answer, or a moment in which nothing went on, is no backlog.
    """
    quarter = max(1, len(latency_ns) // 4)
    longer_ns = np.median(latency_ns[-quarter:]) - np.median(latency_ns[:quarter])
    later_ns = np.median(intended_ns[-quarter:]) - np.median(intended_ns[:quarter])
    return bool(longer_ns > (1 / CARRIED - 1) * later_ns)


def _trials() -> list[Trial]:
    found: list[Trial] = []
    for name, size in (("noop", "empty"), ("echo", "bytes=65536")):
        for platform in PLATFORMS:
            points = [*SHARES, *RATES]
            if (name, platform) == ("noop", PLATFORMS[0]):  # the one that stands for all, quickly
                points.remove(HALF)
                found.append(LoadCurve(name, size, platform, (HALF,)))
            found.append(LoadCurve(name, size, platform, points))
    return found


TRIALS = _trials()
QUICK = (TRIALS[0].name,)
