"""What the gateway counts, in the Prometheus text format.

Every invocation passes here, so what is counted are plain integers; the families of the client
library are made when somebody asks for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from aetherless_py.runtime.invocation import Invocation
from aetherless_py.runtime.orchestrator import Orchestrator

# From 25 us, a warm call of a function, to the longest time-out.
_BOUNDS_S = (
    0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
)  # fmt: skip
_BOUNDS_NS = [int(bound * 1e9) for bound in _BOUNDS_S]
_NAMES = [str(bound) for bound in _BOUNDS_S] + ["+Inf"]


class Distribution:
    """How many durations fell between which bounds."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(_BOUNDS_NS) + 1)
        self.sum_ns = 0

    def add(self, duration_ns: int) -> None:
        """Counts one."""
        self.counts[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        self.sum_ns += duration_ns

    def buckets(self) -> list[tuple[str, float]]:
        """(upper bound in s, how many up to it), as Prometheus has it."""
        return list(zip(_NAMES, accumulate(map(float, self.counts)), strict=True))


class _Durations:
    """Of one function's invocations."""

    __slots__ = ("function", "instance", "queue")

    def __init__(self) -> None:
        self.queue, self.instance, self.function = Distribution(), Distribution(), Distribution()


class Metrics:
    """Counters and distributions of invocations; what is true now is asked of the orchestrator."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int, str], int] = defaultdict(int)
        self.failures: dict[str, int] = defaultdict(int)
        self.durations: dict[str, _Durations] = defaultdict(_Durations)
        self.starts: dict[tuple[str, str, str], Distribution] = defaultdict(Distribution)

    def answered(self, function_id: str, status: int, invocation: Invocation) -> None:
        """Counts an invocation that is over."""
        sent_ns, answered_ns = invocation.sent_ns, invocation.answered_ns
        if not sent_ns:
            self.requests[function_id, status, "none"] += 1
            return
        self.requests[function_id, status, invocation.start] += 1
        if invocation.failed:
            self.failures[function_id] += 1
        durations = self.durations[function_id]
        durations.queue.add(sent_ns - invocation.received_ns)
        if answered_ns:
            durations.instance.add(answered_ns - sent_ns)
        if invocation.function_ns is not None:
            durations.function.add(invocation.function_ns)
        if invocation.phases is not None:
            for moment, after_ns in invocation.phases.until_ready():
                self.starts[function_id, invocation.start, moment].add(after_ns)

    def exposition(self, orchestrator: Orchestrator) -> tuple[str, bytes]:
        """(content type, text)."""
        registry = CollectorRegistry()
        registry.register(_Now(self, orchestrator))
        return CONTENT_TYPE_LATEST, generate_latest(registry)


class _Now(Collector):
    """The families, as they are at this moment."""

    def __init__(self, metrics: Metrics, orchestrator: Orchestrator) -> None:
        self._metrics, self._orchestrator = metrics, orchestrator

    def collect(self) -> Iterator[Metric]:
        yield from self._invocations()
        yield from self._services()

    def _invocations(self) -> Iterator[Metric]:
        metrics = self._metrics
        requests = CounterMetricFamily(
            "aetherless_requests",
            "Requests by HTTP status and by the start of the instance, none where none was asked",
            labels=["function", "status", "start"],
        )
        for (function_id, status, start), count in metrics.requests.items():
            requests.add_metric([function_id, str(status), start], count)
        yield requests
        failures = CounterMetricFamily(
            "aetherless_handler_failures",
            "Requests whose Python handler raised, or gave what is no answer",
            labels=["function"],
        )
        for function_id, count in metrics.failures.items():
            failures.add_metric([function_id], count)
        yield failures
        for part, words in {
            "queue": "From a whole request to an instance that takes it",
            "instance": "From there to the instance's answer",
            "function": "In the function itself",
        }.items():
            family = HistogramMetricFamily(f"aetherless_{part}_seconds", words, labels=["function"])
            for function_id, durations in metrics.durations.items():
                found: Distribution = getattr(durations, part)
                family.add_metric([function_id], found.buckets(), found.sum_ns / 1e9)
            yield family
        starts = HistogramMetricFamily(
            "aetherless_start_seconds",
            "From asking for an instance to each moment of its start, of those that were asked",
            labels=["function", "mode", "moment"],
        )
        for labels, found in metrics.starts.items():
            starts.add_metric(labels, found.buckets(), found.sum_ns / 1e9)
        yield starts

    def _services(self) -> Iterator[Metric]:
        instances = GaugeMetricFamily(
            "aetherless_instances", "Instances by state", labels=["function", "state"]
        )
        queue = GaugeMetricFamily(
            "aetherless_queue_length", "Requests that wait for an instance", labels=["function"]
        )
        events = CounterMetricFamily(
            "aetherless_instance_events",
            "Instances started, not started, and ended by reason",
            labels=["function", "event"],
        )
        pool = CounterMetricFamily(
            "aetherless_pool_events",
            "What became of the instances of the warm pool",
            labels=["function", "event"],
        )
        pooled = GaugeMetricFamily(
            "aetherless_pool_ready", "Instances that wait in the warm pool", labels=["function"]
        )
        for seen in self._orchestrator.seen():
            name = seen["id"]
            for state, count in seen["states"].items():
                instances.add_metric([name, state], count)
            queue.add_metric([name], seen["queue"])
            for event, count in seen["counts"].items():
                events.add_metric([name, event], count)
            for event, count in seen["pool"].items():
                if event == "ready":
                    pooled.add_metric([name], count)
                else:
                    pool.add_metric([name, event], count)
        yield from (instances, queue, events, pool, pooled)
