"""Warm, one request at a time: every workload, where the time goes, and what the ways to a handler
cost. The state of each instance is verified; what is timed stands in `_one_at_a_time`.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.experiments._one_at_a_time import STAMPED, back_to_back
from benchmarks.experiments.base import REFERENCE, _Experiment, row
from benchmarks.harness.row import Row
from benchmarks.workloads.registry import WORKLOADS

AWAKE_S = 0.005  # longer than an instance waits awake
NOOP = "noop:empty"
# The largest variants are seconds of computing, which no way of serving changes.
VARIANTS = tuple(
    f"{name}:{size}" for name, of in WORKLOADS.items() for size in list(of.variants)[:2]
)
LAYERS = ("client", *STAMPED, "total")
# Through the gateway and shared memory to a Python handler; through the gateway, which passes the
# request on as HTTP to an executable; and the executable's own server, directly.
WAYS = (REFERENCE, "aetherless_proxied", "uvicorn")
SIZES = tuple(kib << 10 for kib in (1, 16, 64, 256, 1024, 4096, 6144))


class _Warm(_Experiment):
    """What does a request cost that finds its instance warm, but asleep?

    Each request comes after a pause in which the instance has gone to sleep. Timed in the client's
    process, from handing the request to the kernel until its whole answer is there. Of SeBS's
    experiment "perf-cost" (Copik et al., Middleware 2021), and of the framework in Rust its warm
    request.
    """

    param_names = ("workload",)
    tracking = quick = ((NOOP,),)
    study = (VARIANTS,)

    def row(self, workload: str) -> Row:
        trial = back_to_back(workload)
        trial = replace(trial, samples=min(trial.samples, 50), quick=20, pause_s=AWAKE_S)
        return row(trial, "warm", trial.size)


class _Sequential(_Experiment):
    """What does a warm request cost that comes when the one before has been answered?

    Timed in the client's process, from handing the request to the kernel until its whole answer is
    there.
    """

    param_names = ("workload",)
    tracking = quick = ((NOOP,),)
    study = (VARIANTS,)

    def row(self, workload: str) -> Row:
        trial = back_to_back(workload)
        return row(trial, "sequential", trial.size)


class _Layers(_Experiment):
    """Where does the time of a warm request go?

    Requests one after the other over one connection. The runtime stamps each (`Server-Timing`):
    `gateway` from its first byte until it is there whole, and from its answer until the head of
    that is made; `queue` until an instance is given it; `transport` through shared memory, there
    and back; `function` inside the handler. `client` is what is left of the latency that the client
    sees: the client itself, the gateway's writing, the kernel's sockets, and the switches between
    the processes. The five add up to `total`, that latency, in each request, not in their medians.
    """

    param_names = ("workload", "layer")
    tracking = ((NOOP,), ("gateway", "transport"))
    study = ((NOOP, "echo:bytes=65536", "110.dynamic-html:items=1000"), LAYERS)
    quick = ((NOOP,), LAYERS)

    def row(self, workload: str, layer: str) -> Row:
        trial, part = back_to_back(workload), "" if layer == "total" else layer
        return row(trial, "layers", f"{trial.size}_{layer}", part, layer=layer)


class _Payload(_Experiment):
    """What does a warm echo of so many bytes cost, one request at a time?

    SeBS's experiment "invocation-overhead" (Copik et al., Middleware 2021), whose payloads go up to
    the 6 MB that AWS Lambda allows. Request and answer both have the size. The handler takes and
    gives binary as base64, as Lambda's do, in all three; that is part of the time.
    """

    param_names = ("platform", "payload_size_bytes")
    tracking = (WAYS[:2], (1 << 16,))
    study = (WAYS, SIZES)

    def row(self, platform: str, payload_size_bytes: int) -> Row:
        trial = back_to_back(f"echo:bytes={payload_size_bytes}", platform)
        return row(trial, "payload", f"{trial.size}_{platform}")


class _Protocol(_Experiment):
    """What does each way to a handler cost a warm noop, one request at a time?

    The overhead of the handler protocol of the framework in Rust: uvicorn's `ratio_to_aetherless`
    tells that of the gateway and of what lies behind it, the proxied kind's what HTTP costs in
    place of shared memory.
    """

    param_names = ("platform",)
    study = (WAYS,)

    def row(self, platform: str) -> Row:
        return row(back_to_back(NOOP, platform), "protocol", platform)
