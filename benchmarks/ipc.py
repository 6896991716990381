"""Messages between two processes: the ring beside everything a developer would otherwise use.

Every figure comes from two fresh processes, each pinned to a processor of its own. All methods are
measured in one sitting: in each round every method runs once, with a new pair of processes, in an
order drawn from a recorded seed; so does the machine's floor. Ratios are those of rounds.

`setup_cache` takes all samples; the `track_*` methods hand them over.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.harness.floor import Kind, floor_samples
from benchmarks.harness.measurement import (
    MachineState,
    Tracked,
    hand_over,
    is_quick,
    iterations,
    tracked,
)
from benchmarks.harness.processes import Task, available_cpus, run_fresh
from benchmarks.harness.sampler import sample_set
from benchmarks.harness.sitting import ROUNDS, blocks_of, ratio, sets_of, sit
from benchmarks.harness.statistics import median_of_medians
from benchmarks.transports import METHODS, transport
from benchmarks.transports.sampling import cpu_per_message

SIZES = [64, 256, 1024, 4096, 16384, 65536]
STREAM_SIZES = [64, 1024, 16384, 65536, 1 << 20, 4 << 20]
SAMPLES = 300  # of each round
WARMUP = 100
STREAMS = 5  # of each round

# The quick pass: every way at 64 B, and of larger messages what does not take long for the little
# that it adds.
QUICK_SIZES = [64, 1024, 65536]
QUICK_UP_TO = {
    "unix_seqpacket": 1024,
    "tcp": 1024,
    "pipe": 1024,
    "multiprocessing_pipe": 1024,
    "multiprocessing_queue": 1024,
    "zeromq": 1024,
    "grpc": 64,
    "http_json": 64,
    "http_json_keepalive": 64,
    "http_json_uvicorn": 1024,
    "json_codec": 1024,
}
QUICK_WITHOUT = (
    "shared_memory_spin",
    "shared_memory_park",
    "shared_memory_zero_copy_unchecked",
    "shared_memory_json",
)
QUICK_STREAM_SIZES = [64]
QUICK_WITHOUT_STREAMS = (*QUICK_WITHOUT, "grpc")
QUICK_STREAM_ROUNDS = 1  # ratios without intervals
QUICK_SAMPLES = 170  # six rounds of it still carry a p99
QUICK_WARMUP = 50
QUICK_STREAMS = 3
TIMEOUT_S = 120.0
SEED = 20261124

RING = "shared_memory"
RING_IN_PLACE = "shared_memory_zero_copy"
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


def roundtrips(
    method: str, sizes: list[int], count: int, cpus: Cpus, warmup: int = WARMUP
) -> dict[str, Any]:
    """Round trips by one fresh pair of processes.

    Args:
        method: of `ROUNDTRIP_METHODS`.
        sizes: of the payloads, in the order to be kept.
        count: samples of each.
        cpus: of the client and of the server.
        warmup: calls before them.

    Returns:
        A `sample_set` of each size, by its text.

    Raises:
        NotImplementedError, ProcessError: as `processes.run_fresh`.
    """
    if method == FLOOR:
        return _floor("pingpong", sizes, count, cpus)
    if method == "floor_bounce":
        return _floor("bounce", sizes, count, cpus)
    target, arguments = "json_codec", {"sizes": sizes, "count": count}
    if method != "json_codec":
        target = "roundtrips"
        arguments |= {"method": method, "warmup": warmup, "server_cpu": cpus[1]}
    task = Task(f"benchmarks.transports.sampling:{target}", arguments, cpus[0])
    return dict(run_fresh(task, TIMEOUT_S))


def _streams(method: str, sizes: list[int], count: int, cpus: Cpus) -> dict[str, Any]:
    if method == FLOOR:
        return _floor("oneway", sizes, None, cpus)
    if method == "floor_copy":
        return _floor("copy", sizes, None, cpus)
    arguments = {"method": method, "sizes": sizes, "count": count, "server_cpu": cpus[1]}
    task = Task("benchmarks.transports.sampling:streams", arguments, cpus[0])
    return dict(run_fresh(task, TIMEOUT_S))


def _possible(methods: list[str], sizes: list[int], streaming: bool) -> dict[str, Any]:
    """For each method the sizes that it can carry, or the reason why it cannot be had."""
    if len(available_cpus()) < 2:
        reason = "two processes need two processors, this machine gives one"
        return dict.fromkeys(methods, reason)
    possible: dict[str, Any] = {}
    for method in methods:
        possible[method] = sizes[:1] if method == "floor_bounce" else sizes
        if method not in METHODS:
            continue
        try:
            found = transport(method)
        except NotImplementedError as missing:
            possible[method] = str(missing)
            continue
        if streaming and not found.streams:
            possible[method] = f"{method}: each request waits for its answer: there is no stream"
            continue
        largest = found.largest_bytes
        possible[method] = [size for size in sizes if largest is None or size <= largest]
    return possible


def quick_part(
    calls: dict[str, Any], streams: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of round trips and streams the quick pass measures; `tools/quick.py` asks for it."""
    calls = {
        method: sizes
        if isinstance(sizes, str)
        else [size for size in sizes if size <= QUICK_UP_TO.get(method, size)]
        for method, sizes in calls.items()
    }
    reason = "no part of the quick pass"
    calls |= dict.fromkeys(QUICK_WITHOUT, reason)
    return calls, streams | dict.fromkeys(QUICK_WITHOUT_STREAMS, reason)


def setup_cache() -> dict[str, Any]:
    """Takes all samples, once for all benchmarks below."""
    state = MachineState()
    quick = is_quick()
    began = time.time()
    available = available_cpus()
    cpus = (available[0], available[-1])
    count = iterations(QUICK_SAMPLES if quick else SAMPLES)
    warmup = QUICK_WARMUP if quick else WARMUP
    in_a_row = QUICK_STREAMS if quick else STREAMS
    possible = _possible(ROUNDTRIP_METHODS, QUICK_SIZES if quick else SIZES, False)
    possible_streams = _possible(
        STREAM_METHODS, QUICK_STREAM_SIZES if quick else STREAM_SIZES, True
    )
    if quick:
        possible, possible_streams = quick_part(possible, possible_streams)
    calls = sit(
        possible,
        lambda method, order: roundtrips(method, order, count, cpus, warmup),
        ROUNDS,
        SEED,
    )
    streams = sit(
        possible_streams,
        lambda method, order: _streams(method, order, in_a_row, cpus),
        QUICK_STREAM_ROUNDS if quick else ROUNDS,
        SEED,
    )
    return {
        "roundtrip": calls,
        "oneway": streams,
        "state": {**state.as_dict(), "sitting_s": time.time() - began},
    }


setup_cache.timeout = 1800  # type: ignore[attr-defined]


class _SittingLike:
    """Hands over what `setup_cache` measured."""

    timeout = 120
    part = ""

    def setup(self, cache: dict[str, Any], method: str, payload_size_bytes: int) -> None:
        most = transport(method).largest_bytes if method in METHODS else None
        if most is not None and payload_size_bytes > most:
            raise NotImplementedError(f"{method}: carries {most} bytes at most here")
        sets_of(cache[self.part], method, str(payload_size_bytes))

    def _track(
        self, name: str, cache: dict[str, Any], method: str, payload_size_bytes: int
    ) -> Tracked:
        measured, size = cache[self.part], str(payload_size_bytes)
        sets = sets_of(measured, method, size)
        metadata: dict[str, Any] = {
            "wait": transport(method).wait if method in METHODS else "spin",
            "order_seed": SEED,
            **ratio(measured, method, FLOOR, size, "ratio_to_floor"),
            **ratio(measured, method, RING, size, "ratio_to_ring"),
            **ratio(measured, method, RING_IN_PLACE, size, "ratio_to_ring_zero_copy"),
            **cpu_per_message(sets),
        }
        if self.part == "oneway":
            metadata["ns_per_byte"] = median_of_medians(blocks_of(sets)) / payload_size_bytes
        if method.startswith("http_json"):
            codec = measured.get("json_codec", {}).get("parts", {}).get(size)
            if codec:
                metadata["json_codec_ns"] = median_of_medians(blocks_of(codec))
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
