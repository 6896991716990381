"""What came of a run: every request, and what is said of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.metrics import LatencyMetrics
from benchmarks.harness.statistics import Floats, enough_beyond, nearest_rank, tail_to_median
from benchmarks.load import histogram, outcomes

Loop: TypeAlias = Literal["open", "closed"]
Nanoseconds: TypeAlias = NDArray[np.int64]

LAG_BOUND_NS = 1_000_000
PERCENTS = (50.0, 90.0, 95.0, 99.0, 99.9)
BUSY = 0.9  # of its processor, where a closed loop's generator is what limits
RATE_MISSED = 0.01

_PLAIN = (
    "loop", "arrivals", "seed", "began_at_ms", "requests", "success_rate", "failures", "why",
    "offered_per_s", "sent_per_s", "achieved_per_s", "lag_bound_ns", "connections_opened", "resent",
    "steal_seconds", "cpu_seconds", "preempted", "warnings",
)  # fmt: skip
_CLOSED = (
    "closed loop: a request waits for the answer before it, and its latency runs from the actual "
    "send; what a stall does to those who would have come meanwhile is left out"
)


@dataclass(frozen=True)
class LoadResult:
    """One run; arrays hold a place for each request, in the order of their starts.

    Attributes:
        loop: "open" or "closed".
        arrivals: what the starts were made from.
        seed: of the arrivals, None where nothing is random.
        offered_per_s: requests a second by the schedule; None in a closed loop.
        lag_bound_ns: above which the lag's p99 makes the run invalid.
        began_ns: the run's start by the harness's clock.
        began_at_ms: the same by the wall clock (Unix time).
        elapsed_ns: from then until the last request had ended.
        connections_opened: in all, those before the run included.
        resent: as `client.Client`.
        why: an example of each class of failure, in words.
        steal_seconds: processor time that the hypervisor took meanwhile.
        cpu_seconds: that the generator used, its polling included.
        preempted: how often another one took the generator's processor.
        intended_ns, lag_ns, connect_ns, service_ns, outcome, label_at, labels: as
            `record.Record`.
    """

    loop: Loop
    arrivals: dict[str, Any]
    seed: int | None
    offered_per_s: float | None
    lag_bound_ns: int
    began_ns: int
    began_at_ms: int
    elapsed_ns: int
    connections_opened: int
    resent: int
    why: dict[str, str]
    steal_seconds: float
    cpu_seconds: float
    preempted: int
    intended_ns: Nanoseconds
    lag_ns: Nanoseconds
    connect_ns: Nanoseconds
    service_ns: Nanoseconds
    outcome: NDArray[np.int16]
    label_at: NDArray[np.int32]
    labels: list[str]

    @cached_property
    def latency_ns(self) -> Floats:
        """From the intended start (closed loop: from the actual one); infinite where it failed."""
        latency_ns = (self.lag_ns + self.connect_ns + self.service_ns).astype(np.float64)
        latency_ns[self.outcome != outcomes.OK] = math.inf
        return latency_ns

    @cached_property
    def _ordered_ns(self) -> Floats:
        return np.sort(self.latency_ns)

    @property
    def requests(self) -> int:
        """All that were begun, whatever became of them."""
        return len(self.outcome)

    @property
    def succeeded(self) -> int:
        """Those with a right answer."""
        return int((self.outcome == outcomes.OK).sum())

    @property
    def success_rate(self) -> float:
        """The share of them, from 0 to 1."""
        return self.succeeded / self.requests

    @property
    def failures(self) -> dict[str, int]:
        """How many failed in each class."""
        codes, counts = np.unique(self.outcome[self.outcome != outcomes.OK], return_counts=True)
        return {
            outcomes.name(int(code)): int(count)
            for code, count in zip(codes, counts, strict=True)
        }  # fmt: skip

    @property
    def labelled(self) -> dict[str, int]:
        """How many answers have which label of the check's; those without one are left out."""
        counts = np.bincount(self.label_at, minlength=len(self.labels)).tolist()
        return {label: count for label, count in zip(self.labels, counts, strict=True) if label}

    @property
    def achieved_per_s(self) -> float:
        """Right answers a second, in the schedule's time, or in all that the run took if longer."""
        return self.succeeded / max(self._scheduled_s, self.elapsed_ns / 1e9)

    @property
    def sent_per_s(self) -> float:
        """Requests a second, in the schedule's time and that by which the last one was late."""
        return self.requests / (self._scheduled_s + int(self.lag_ns[-1]) / 1e9)

    @property
    def _scheduled_s(self) -> float:
        """What the rate offered is counted over; of a closed loop all that it took."""
        if self.offered_per_s is None:
            return self.elapsed_ns / 1e9
        return self.requests / self.offered_per_s

    def percentile_ns(self, percent: float) -> float | None:
        """Of all requests by nearest rank: infinite where it falls on a failure.

        None where fewer than ten requests lie beyond it.
        """
        if not enough_beyond(self.requests, percent):
            return None
        return nearest_rank(self._ordered_ns, percent)

    @property
    def tail_to_median(self) -> float | None:
        """As `statistics.tail_to_median`."""
        return tail_to_median(self._ordered_ns)

    @property
    def latency(self) -> LatencyMetrics | None:
        """For the standard JSON; None where half of all requests or more failed.

        Median and percentiles are those of all requests, None where they fall on a failure.
        Minimum, maximum, mean and deviation can only be those of the ones that succeeded.
        """
        median_ns = nearest_rank(self._ordered_ns, 50)
        if math.isinf(median_ns):
            return None
        return replace(
            LatencyMetrics.from_samples(self._ordered_ns[: self.succeeded]),
            median_ns=median_ns,
            p95_ns=_finite(self.percentile_ns(95)),
            p99_ns=_finite(self.percentile_ns(99)),
        )

    @property
    def lag_p99_ns(self) -> float:
        """By nearest rank, of however few requests: the run's validity hangs on it."""
        return nearest_rank(np.sort(self.lag_ns).astype(np.float64), 99)

    @property
    def invalid(self) -> str | None:
        """Why nothing may be concluded from the run; None if something may."""
        if self.lag_p99_ns <= self.lag_bound_ns:
            return None
        return (
            f"the generator was the bottleneck: its lag's p99 is {self.lag_p99_ns / 1e6:.3f} ms, "
            f"above {self.lag_bound_ns / 1e6:g} ms"
        )

    @property
    def bottleneck(self) -> str | None:
        """That a closed loop sent as much as the generator could, not as the server; else None."""
        used = self.cpu_seconds / (self.elapsed_ns / 1e9)
        if self.loop == "open" or used <= BUSY:
            return None
        return f"the generator was the bottleneck: {used:.0%} of its processor used"

    @property
    def warnings(self) -> list[str]:
        """What makes the result doubtful, in words."""
        found = [f"invalid: {self.invalid}"] if self.invalid else []
        if self.loop == "closed":
            found.append(_CLOSED)
        if self.bottleneck:
            found.append(self.bottleneck)
        if not enough_beyond(self.requests, 99):
            found.append(f"few samples for p99: {self.requests} requests")
        if self.offered_per_s and self.achieved_per_s < (1 - RATE_MISSED) * self.offered_per_s:
            found.append(
                f"achieved {self.achieved_per_s:.1f} a second of {self.offered_per_s:.1f} offered"
            )
        if self.steal_seconds > 0:
            found.append(f"the hypervisor took {self.steal_seconds:.2f} s of processor time away")
        return found

    def as_dict(self) -> dict[str, Any]:
        """What belongs into the metadata of the standard JSON: all but the arrays."""
        latency = self.latency
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "elapsed_s": self.elapsed_ns / 1e9,
            "latency": None if latency is None else latency.as_dict(),
            "percentiles_ns": {f"p{each:g}": _told(self.percentile_ns(each)) for each in PERCENTS},
            "service": self._of_sent(self.service_ns),
            "connect": self._of_sent(self.connect_ns),
            "lag": {**_metrics(self.lag_ns), "p99_ns": self.lag_p99_ns},
            "valid": self.invalid is None,
            "histogram": histogram.encoded(self.latency_ns.tolist()),
        }

    def _of_sent(self, durations_ns: Nanoseconds) -> dict[str, float] | None:
        """Metrics of the requests that succeeded; of the connecting, of those that had to."""
        chosen = durations_ns[(self.outcome == outcomes.OK) & (durations_ns > 0)]
        return _metrics(chosen) if len(chosen) else None


def _metrics(durations_ns: Nanoseconds) -> dict[str, float]:
    return LatencyMetrics.from_samples(durations_ns.astype(np.float64)).as_dict()


def _finite(value_ns: float | None) -> float | None:
    return None if value_ns is None or math.isinf(value_ns) else value_ns


def _told(value_ns: float | None) -> float | str | None:
    """JSON knows no infinity."""
    return "inf" if value_ns is not None and math.isinf(value_ns) else value_ns
