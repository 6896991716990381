"""What the client's process does: checks, then samples, one way between two processes."""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Sequence
from itertools import repeat
from typing import Any

from benchmarks.harness.clock import clock_cost_ns, now_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.sampler import Operation, no_collector, sample_each, sample_set
from benchmarks.transports import transport
from benchmarks.transports.base import cpu_time_ns, served

CPU_PHASE_NS = 20_000_000
# Messages of one stream, after which the sink confirms: enough that the confirmation is lost in it.
STREAM_MESSAGES = {64: 4000, 1024: 4000, 16384: 1000, 65536: 500, 1 << 20: 40, 4 << 20: 12}


def roundtrips(
    method: str, sizes: list[int], count: int, warmup: int, server_cpu: int
) -> dict[str, Any]:
    """Round trips of a message and its echo, by one process pair.

    The clock starts before `call` and stops when the whole echo is there. Outside: connecting, and
    the comparison of each echo of the warm-up with what was sent.

    Args:
        method: a key of `transports.METHODS`.
        sizes: of the payloads, in the order in which they are measured.
        count: samples of each size.
        warmup: calls before them, of each size.
        server_cpu: the server's processor; this process is pinned already.

    Returns:
        For each size, as a string: a `sample_set`, and the processor time of either side for
        so many further calls.
    """
    cost_ns = clock_cost_ns()
    found: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="aetherless-") as folder,
        served(transport(method)(folder, max(sizes), "echo"), server_cpu) as (client, server),
    ):
        assert server.pid is not None
        call, clock = client.call, now_ns
        for size in sizes:
            payload = payload_of(size)
            for _ in repeat(None, warmup):
                if bytes(call(payload)) != payload:
                    raise RuntimeError(f"{method}: the echo is not what was sent")
            samples = [0] * count
            with no_collector():
                for i in range(count):
                    began = clock()
                    call(payload)
                    samples[i] = clock() - began
                cpu = _processor_time(lambda: call(payload), server.pid)  # noqa: B023
            found[str(size)] = {**sample_set(samples, 1, "per_operation", cost_ns), **cpu}
    return found


def streams(method: str, sizes: list[int], count: int, server_cpu: int) -> dict[str, Any]:
    """Streams of equal messages in one direction, by one process pair.

    The clock starts before the first message and stops when the sink has confirmed the last one. In
    the first stream, which warms up, the sink computes a checksum of every byte; in the others it
    counts messages and bytes.

    Returns:
        As `roundtrips`; each sample is the mean time a message of one stream.
    """
    cost_ns = clock_cost_ns()
    found: dict[str, Any] = {}
    for size in sizes:
        number = STREAM_MESSAGES[size]
        with (
            tempfile.TemporaryDirectory(prefix="aetherless-") as folder,
            served(transport(method)(folder, size, "sink"), server_cpu) as (client, server),
        ):
            assert server.pid is not None
            payload = payload_of(size)
            client.stream(payload, number)
            stream = functools.partial(client.stream, payload, number)
            samples = sample_each(stream, count, 1, number=number)
            cpu = _processor_time(stream, server.pid, number)
            found[str(size)] = {**sample_set(samples, number, "blocks", cost_ns), **cpu}
    return found


def _processor_time(operation: Operation, server: int, messages: int = 1) -> dict[str, float | int]:
    """Processor time of both sides, for operations of so many messages, over CPU_PHASE_NS.

    The kernel brings the clock of a process that runs without a break up to date at timer ticks
    only, 1 to 10 ms apart: that much the sums may be off, so the rounds' are added up.
    """
    there, here, began = cpu_time_ns(server), time.process_time_ns(), now_ns()
    moved = 0
    calls = 16 if messages == 1 else 1  # between looks at the clock
    while now_ns() - began < CPU_PHASE_NS:
        for _ in repeat(None, calls):
            operation()
        moved += calls * messages
    return {
        "client_cpu_ns": time.process_time_ns() - here,
        "server_cpu_ns": cpu_time_ns(server) - there,
        "cpu_messages": moved,
    }


def cpu_per_message(sets: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The processor time of either side for a message, over all rounds, for the metadata."""
    if "cpu_messages" not in sets[0]:
        return {}
    messages = sum(one["cpu_messages"] for one in sets)
    return {
        f"{key}_per_message": sum(one[key] for one in sets) / messages
        for key in ("client_cpu_ns", "server_cpu_ns")
    }


def json_codec(sizes: list[int], count: int) -> dict[str, Any]:
    """What JSON costs a round trip by itself, in one process and without any transport.

    Four steps, as each HTTP + JSON method does them in a call: the payload into a document and out
    of it, for the request and for the answer.
    """
    from benchmarks.transports.document import from_json, to_json

    cost_ns = clock_cost_ns()
    found = {}
    for size in sizes:
        payload = payload_of(size)
        if from_json(to_json(payload)) != payload:
            raise RuntimeError("a document does not hold what was put into it")

        def both(payload: bytes = payload) -> None:
            from_json(to_json(from_json(to_json(payload))))

        samples = sample_each(both, count, count // 10 + 1)
        found[str(size)] = sample_set(samples, 1, "per_operation", cost_ns)
    return found
