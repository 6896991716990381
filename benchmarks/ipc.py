"""Messages between two processes: the ring beside everything a developer would otherwise use.

Every figure comes from two fresh processes, each pinned to a processor of its own. All methods are
measured in one sitting: in each round every method runs once, with a new pair of processes, in an
order drawn from a recorded seed; so does the machine's floor. Ratios are those of rounds.

`setup_cache` takes all samples; the `track_*` methods hand them over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.baselines import METHODS, transport
from benchmarks.baselines.sampling import cpu_per_message
from benchmarks.harness.floor import Kind, floor_samples
from benchmarks.harness.measurement import (
    MachineState,
    Tracked,
    hand_over,
    is_quick,
    iterations,
    tracked,
)
from benchmarks.harness.processes import ProcessError, Task, available_cpus, run_fresh
from benchmarks.harness.sampler import Samples, sample_set
from benchmarks.harness.statistics import median_of_medians, ratio_interval, round_ratios

SIZES = [64, 256, 1024, 4096, 16384, 65536]
STREAM_SIZES = [64, 1024, 16384, 65536, 1 << 20, 4 << 20]
QUICK_SIZES = [64, 1024, 65536]
QUICK_STREAM_SIZES = [64, 65536]
ROUNDS = 6  # the fewest that carry an interval of 95 %
QUICK_STREAM_ROUNDS = 2  # ratios without intervals
SAMPLES = 300  # of each round
QUICK_SAMPLES = 200  # six rounds of it still carry a p99
WARMUP = 100
STREAMS = 5  # of each round
TIMEOUT_S = 120.0
SEED = 20261124

RING = "shared_memory"
FLOOR = "floor"
Cpus = tuple[int, int]
# The floor's parts are measured and shown like methods.
ROUNDTRIP_METHODS = [*METHODS, FLOOR, "floor_bounce", "json_codec"]
STREAM_METHODS = [*METHODS, FLOOR, "floor_copy"]


def _floor(kind: Kind, sizes: list[int], count: int | None, cpus: Cpus) -> dict[str, Any]:
    """The floor at each size, by `count` samples, or as many messages as fit into a moment."""
    found = {}
    for size in sizes:
        messages = count or max(200, min(200_000, (1 << 28) // size))
        samples = floor_samples(kind, size, messages, cpus, TIMEOUT_S)
        sampling = "per_operation" if kind in ("bounce", "pingpong") else "blocks"
        number = 1 if sampling == "per_operation" else messages // len(samples)
        # Its clock is C's, whose cost is not measured.
        found[str(size)] = sample_set(samples, number, sampling, None)
    return found


def _roundtrips(method: str, sizes: list[int], count: int, cpus: Cpus) -> dict[str, Any]:
    if method == FLOOR:
        return _floor("pingpong", sizes, count, cpus)
    if method == "floor_bounce":
        return _floor("bounce", sizes, count, cpus)
    target, arguments = "json_codec", {"sizes": sizes, "count": count}
    if method != "json_codec":
        target = "roundtrips"
        arguments |= {"method": method, "warmup": WARMUP, "server_cpu": cpus[1]}
    task = Task(f"benchmarks.baselines.sampling:{target}", arguments, cpus[0])
    return dict(run_fresh(task, TIMEOUT_S))


def _streams(method: str, sizes: list[int], count: int, cpus: Cpus) -> dict[str, Any]:
    if method == FLOOR:
        return _floor("oneway", sizes, None, cpus)
    if method == "floor_copy":
        return _floor("copy", sizes, None, cpus)
    arguments = {"method": method, "sizes": sizes, "count": count, "server_cpu": cpus[1]}
    task = Task("benchmarks.baselines.sampling:streams", arguments, cpus[0])
    return dict(run_fresh(task, TIMEOUT_S))


Measured = dict[str, dict[str, Any]]
Measure = Callable[[str, list[int], int, Cpus], dict[str, Any]]


def _possible(methods: list[str], sizes: list[int], streaming: bool) -> Iterator[tuple[str, Any]]:
    """Each method with the sizes that it can carry, or the reason why it cannot be had."""
    for method in methods:
        if method not in METHODS:
            yield method, sizes[:1] if method == "floor_bounce" else sizes
            continue
        try:
            found = transport(method)
        except NotImplementedError as missing:
            yield method, str(missing)
            continue
        if streaming and not found.streams:
            yield method, f"{method}: each request waits for its answer: there is no stream"
            continue
        largest = found.largest_bytes
        yield method, [size for size in sizes if largest is None or size <= largest]


def _sit(
    measure: Measure,
    methods: list[str],
    sizes: list[int],
    count: int,
    rounds: int,
    streaming: bool,
) -> Measured:
    """Measures all methods, interleaved.

    Returns:
        For each method: `sizes`, with a list of `sample_set`s of each, or `missing` or `failed`
        with the reason.
    """
    available = available_cpus()
    if len(available) < 2:
        reason = "two processes need two processors, this machine gives one"
        return {method: {"missing": reason} for method in methods}
    cpus = (available[0], available[-1])
    measured: Measured = {}
    for method, can in _possible(methods, sizes, streaming):
        measured[method] = {"missing": can} if isinstance(can, str) else {"can": can, "sizes": {}}
    draw = np.random.default_rng(SEED)
    for _ in range(rounds):
        for at in draw.permutation(len(methods)):
            state = measured[methods[at]]
            if not state.get("can") or "failed" in state:
                continue
            order = [int(size) for size in draw.permutation(state["can"])]
            try:
                found = measure(methods[at], order, count, cpus)
            except NotImplementedError as missing:
                state["missing"] = str(missing)
                state["can"] = []
                continue
            except (ProcessError, RuntimeError, OSError) as error:
                state["failed"] = f"{methods[at]}: {error}"
                continue
            for size, one in found.items():
                state["sizes"].setdefault(size, []).append(one)
    return measured


def setup_cache() -> dict[str, Any]:
    """Takes all samples, once for all benchmarks below."""
    state = MachineState()
    quick = is_quick()
    began = time.time()
    calls = _sit(
        _roundtrips, ROUNDTRIP_METHODS, QUICK_SIZES if quick else SIZES,
        iterations(QUICK_SAMPLES if quick else SAMPLES),
        ROUNDS, False,
    )  # fmt: skip
    streams = _sit(
        _streams, STREAM_METHODS, QUICK_STREAM_SIZES if quick else STREAM_SIZES, STREAMS,
        QUICK_STREAM_ROUNDS if quick else ROUNDS, True,
    )  # fmt: skip
    return {
        "roundtrip": calls,
        "oneway": streams,
        "state": {**state.as_dict(), "sitting_s": time.time() - began},
    }


setup_cache.timeout = 1800  # type: ignore[attr-defined]


def _blocks(sets: list[dict[str, Any]]) -> list[Samples]:
    return [np.array(one["samples_ns"]) for one in sets]


def _ratio(measured: Measured, method: str, size: int, to: str) -> dict[str, Any]:
    """The ratio of two methods of one sitting, with its interval, for the metadata."""
    own = measured[method]["sizes"].get(str(size))
    other = measured.get(to, {}).get("sizes", {}).get(str(size))
    if not own or not other or len(own) != len(other) or method == to:
        return {}
    rounds = _blocks(own), _blocks(other)
    name = f"ratio_to_{'ring' if to == RING else to}"
    if len(own) < ROUNDS:
        return {name: float(np.median(round_ratios(*rounds)))}
    ratio, low, high = ratio_interval(*rounds)
    return {name: ratio, f"{name}_interval": [low, high]}


class _SittingLike:
    """Hands over what `setup_cache` measured."""

    timeout = 120
    part = ""

    def setup(self, cache: dict[str, Any], method: str, payload_size_bytes: int) -> None:
        state = cache[self.part][method]
        if "failed" in state:
            raise RuntimeError(state["failed"])
        if "missing" in state:
            raise NotImplementedError(state["missing"])
        if str(payload_size_bytes) not in state["sizes"]:
            raise NotImplementedError(f"{method} is not measured at {payload_size_bytes} bytes")

    def _track(
        self, name: str, cache: dict[str, Any], method: str, payload_size_bytes: int
    ) -> Tracked:
        measured = cache[self.part]
        sets = measured[method]["sizes"][str(payload_size_bytes)]
        metadata: dict[str, Any] = {
            "wait": transport(method).wait if method in METHODS else "spin",
            "order_seed": SEED,
            **_ratio(measured, method, payload_size_bytes, FLOOR),
            **_ratio(measured, method, payload_size_bytes, RING),
            **cpu_per_message(sets),
        }
        if self.part == "oneway":
            metadata["ns_per_byte"] = median_of_medians(_blocks(sets)) / payload_size_bytes
        if method.startswith("http_json"):
            codec = measured.get("json_codec", {}).get("sizes", {}).get(str(payload_size_bytes))
            if codec:
                metadata["json_codec_ns"] = median_of_medians(_blocks(codec))
        return hand_over(
            f"ipc.{type(self).__name__}.{name}", [method, payload_size_bytes], sets,
            cache["state"], {"metadata": metadata},
        )  # fmt: skip


class RoundTrip(_SittingLike):
    """A message to the other process and its echo back, from before `call` to the whole echo.

    `floor` is a spinning C ring without checks, `floor_bounce` one cache line there and back,
    `json_codec` what JSON alone costs a call of the HTTP methods, in one process.
    """

    params = (ROUNDTRIP_METHODS, SIZES)
    param_names = ("method", "payload_size_bytes")
    part = "roundtrip"

    @tracked("ipc")
    def track_roundtrip(
        self, cache: dict[str, Any], method: str, payload_size_bytes: int
    ) -> Tracked:
        return self._track("track_roundtrip", cache, method, payload_size_bytes)


class OneWay(_SittingLike):
    """A stream of messages: time a message, from the first one sent to the last one confirmed.

    `floor` is the C ring, `floor_copy` a plain copy into memory by one process.
    """

    params = (STREAM_METHODS, STREAM_SIZES)
    param_names = ("method", "payload_size_bytes")
    part = "oneway"

    @tracked("ipc_oneway")
    def track_oneway(self, cache: dict[str, Any], method: str, payload_size_bytes: int) -> Tracked:
        return self._track("track_oneway", cache, method, payload_size_bytes)
