"""Latency against offered load, up to saturation: the runtime beside the traditional ways.

Each serves the same function, with room for as many requests at a time. No way of serving that
keeps functions apart can be expected to beat uvicorn, which has the function in its own process.

- `load25` to `load110`: shares, in percent, of the platform's own capacity, so that the curves'
  shapes can be compared: how soon does it queue? With equal counts all platforms see the same time
  in units of their own service time, and with equal seeds the same pattern of arrivals.
- `rate200` to `rate2000`: the same requests a second for all. A platform that does not carry a rate
  gets it nevertheless, and is told to be saturated: there the latency is that of a backlog which
  grows as long as the load lasts, here the time of `SAMPLES` requests.

The capacity is measured first, in the same server: what a closed loop of as many connections as the
server takes requests at a time achieves in `CAPACITY_S`, after a shorter one that does not count.
In the study the points of a curve share a server and its capacity, and follow in an order drawn
from the seed; by itself a point has both for its own. A share of a capacity that is not quite right
moves a point along the curve, for every platform alike.

The generator shares the machine's processors with the server, as no client elsewhere would:
docs/e2e.md says what comes of it. The tail-to-median ratio of each point is that of STeLLAR
(Ustiugov et al., IISWC 2021).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments import _loads
from benchmarks.experiments.base import REFERENCE, Requests, _Experiment, row, saying, told
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Trial, Turn
from benchmarks.load.arrivals import Schedule, poisson_of
from benchmarks.load.run import Closed
from benchmarks.servers.base import Server

PLATFORMS = (
    REFERENCE, "aetherless_proxied", "functions_framework", "lambda_runtime", "container",
    "uvicorn",
)  # fmt: skip
WORKLOADS = ("noop:empty", "echo:bytes=65536")
SHARES = (25, 50, 75, 90, 110)  # in percent of the capacity
RATES = (200, 800, 2000)  # requests a second
POINTS = (*(f"load{percent}" for percent in SHARES), *(f"rate{rate}" for rate in RATES))
CONCURRENCY = 16
FIRST_S, CAPACITY_S = 0.1, 0.25
SAMPLES = 130  # eight rounds carry a p99
WARMUP = 100  # requests; with a service time of 1, a queue at 75 % settles within some 60
_MOST_IN_CAPACITY = 100_000  # requests: more than any server answers in that time
CARRIED = 0.9  # of what is offered: with less there is a backlog


@dataclass(frozen=True, kw_only=True)
class Curve(Requests):
    """Some points of one platform's curve, which are its parts."""

    concurrency: int = CONCURRENCY
    points: tuple[str, ...]
    arrivals = "poisson"
    label = "load curve of {workload} by {platform}, {points}"

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        count = WARMUP + turn.count(SAMPLES)
        found: dict[str, Samples] = {}
        with self.served(self.concurrency) as one:
            one.status("GET", one.path)  # brings the instance up
            self._capacity(one, turn.seed, FIRST_S)  # with all that happens once
            capacity_per_s, warnings = self._capacity(one, turn.seed, CAPACITY_S)
            for point in np.random.default_rng(turn.seed).permutation(self.points).tolist():
                offered_per_s = float(point.removeprefix("load").removeprefix("rate"))
                if point.startswith("load"):
                    offered_per_s *= capacity_per_s / 100
                arrivals = poisson_of(offered_per_s, count, turn.seed)
                came = _loads.send(one, self.workload, arrivals, turn.seed, warmup=WARMUP)
                came = replace(came, warnings=[*warnings, *came.warnings])
                found[point] = judged(came, arrivals, capacity_per_s)
        return found

    def _capacity(self, one: Server, seed: int, for_s: float) -> tuple[float, list[str]]:
        """Requests a second that it answers, and what is doubtful about that.

        Raises:
            RuntimeError: it does not answer all of them rightly.
        """
        closed = Closed(self.concurrency, _MOST_IN_CAPACITY, for_s)
        came = _loads.send(one, self.workload, closed, seed, self.concurrency)
        said = came.facts["more"]
        if came.facts["failures"]:
            raise RuntimeError(f"{one.name} failed in a closed loop: {said['why']}")
        warnings = [f"its capacity, of which the load is a share: {each}" for each in came.warnings]
        return float(said["achieved_per_s"]), warnings


def judged(came: Samples, arrivals: Schedule, capacity_per_s: float) -> Samples:
    """With what the curve's reader must know of those that count, which are the last arrivals."""
    warnings = list(came.warnings)
    intended_ns = arrivals.intended_ns[-len(came.durations_ns) :]
    if arrivals.offered_per_s > capacity_per_s or _grows(came.durations_ns, intended_ns):
        warnings.append(
            "saturated: more was offered than carried; the latency is that of a growing backlog"
        )
    return saying(replace(came, warnings=warnings), capacity_per_s=capacity_per_s)


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


def _told_of_share(rounds: Sequence[Samples]) -> dict[str, Any]:
    """As `told`, with the rate, which each round found out."""
    offered = [each.facts["more"]["offered_per_s"] for each in rounds]
    return {**told(rounds), "rate": float(np.median(offered))}


class _Points(_Experiment):
    """How long do those who come at this rate wait, whatever has come back?

    Open loop: Poisson arrivals from a recorded seed, the shape of independent clients. Timed, in
    the generator's process: from a request's intended start until its whole answer is there, so
    that the wait of those who find the server busy is in it. Failures and time-outs count with the
    time-out. All instances are warm. Outside: the first `WARMUP` requests of the schedule, in which
    the generator's code runs for the first time, connections are opened by requests that find none
    idle (they are kept; none is there before, since servers with a pool of threads, as gunicorn,
    have a thread wait for the first request of each), and a queue gets as long as it will be.
    """

    @classmethod
    def rows(cls, selection: Selection) -> Iterator[Row]:
        """As `_Suite.rows`; in the study the points of a curve share a server."""
        for each in super().rows(selection):
            if selection is Selection.STUDY:
                beside = {key: (_whole(trial), part) for key, (trial, part) in each.beside.items()}
                each = replace(each, trial=_whole(each.trial), beside=beside)
            yield each

    def point(self, platform: str, point: str, workload: str, **more: Any) -> Row:
        """The row of one of `POINTS`; `more` as in `base.row`."""
        trial = Curve(workload, platform, points=(point,))
        return row(trial, "load_curve", f"{trial.size}_{point}_{platform}", point, **more)


class _Load(_Points):
    __doc__ = _Points.__doc__

    param_names = ("platform", "percent_of_capacity", "workload")
    study = (PLATFORMS, SHARES, WORKLOADS)

    def row(self, platform: str, percent_of_capacity: int, workload: str) -> Row:
        return self.point(platform, f"load{percent_of_capacity}", workload, told=_told_of_share)


class _Rate(_Points):
    __doc__ = _Points.__doc__

    param_names = ("platform", "rate", "workload")
    # A rate, no share: what a commit makes faster would be asked more.
    tracking = (PLATFORMS[:1], (800,), WORKLOADS[:1])
    study = (PLATFORMS, RATES, WORKLOADS)

    def row(self, platform: str, rate: int, workload: str) -> Row:
        return self.point(platform, f"rate{rate}", workload, rate=float(rate))


def _whole(trial: Trial) -> Trial:
    """The curve that a point is of."""
    assert isinstance(trial, Curve)
    return replace(trial, points=POINTS)
