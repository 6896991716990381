"""What the measuring processes of the suite ipc do: check, then sample."""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from itertools import repeat
from typing import TYPE_CHECKING

from benchmarks import package
from benchmarks.harness.clock import clock_cost_ns, now_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.processes import named
from benchmarks.harness.sampler import Operation, no_collector, sample_each
from benchmarks.harness.samples import Samples
from benchmarks.transports.base import Client, Mode, Transport, served
from benchmarks.transports.document import from_json, to_json

if TYPE_CHECKING:
    from aetherless_py.shm.side import Wait

WARMUP = 30
WARMUP_NS = 10_000_000
CPU_PHASE_NS = 20_000_000
CODECS = 20
# Messages of one stream, after which the sink confirms: enough that the confirmation is lost in it.
STREAM_MESSAGES = {64: 4000, 1024: 4000, 16384: 1000, 65536: 500, 1 << 20: 40, 4 << 20: 12}


def sample(way: str, mode: Mode, size_bytes: int, count: int, server_cpu: int) -> Samples:
    """Round trips or streams, by one pair of processes.

    Args:
        way: "module:class" of the transport.
        mode: "echo" for round trips, "sink" for streams.
        size_bytes: of a message; of a stream's a key of `STREAM_MESSAGES`.
        count: samples.
        server_cpu: the server's processor; this process is pinned already.

    Returns:
        Them, with the processor time of either side for so many further messages, and what JSON
        alone costs a call where the payload travels in documents.

    Raises:
        RuntimeError: an echo is not what was sent.
        TransportError: a stream did not arrive whole.
    """
    cost_ns = clock_cost_ns()
    transport: type[Transport] = named(way)  # type: ignore[assignment]
    payload = payload_of(size_bytes)
    operation: Operation
    number = STREAM_MESSAGES[size_bytes] if mode == "sink" else 1
    with (
        tempfile.TemporaryDirectory(prefix="aetherless-") as folder,
        served(transport(folder, size_bytes, mode), server_cpu) as (client, server),
    ):
        assert server.pid is not None
        if mode == "sink":
            operation = functools.partial(client.stream, payload, number)
            operation()  # of this one the sink looks at every byte
            durations_ns = sample_each(operation, count, 1, number=number)
        else:
            operation = functools.partial(client.call, payload)
            _warm_up(client, payload)
            with no_collector():
                durations_ns = [*client.sample(payload, count)]
        facts = _processor_time(operation, server.pid, number)
    if transport.documents:
        facts["json_codec_ns"] = sorted(_codec(payload, CODECS))[CODECS // 2]
    return Samples(durations_ns=durations_ns, number=number, clock_cost_ns=cost_ns, facts=facts)


def _warm_up(client: Client, payload: bytes) -> None:
    """Calls for `WARMUP_NS`, `WARMUP` at least, each of whose echoes is looked at."""
    ends_ns = now_ns() + WARMUP_NS
    done = 0
    while done < WARMUP or now_ns() < ends_ns:
        if bytes(client.call(payload)) != payload:
            raise RuntimeError("the echo is not what was sent")
        done += 1


def _processor_time(operation: Operation, server: int, number: int) -> dict[str, float]:
    """Processor time of both sides, for operations of so many messages, over CPU_PHASE_NS.

    The kernel brings the clock of a process that runs without a break up to date at timer ticks
    only, 1 to 10 ms apart: that much the sums may be off, so the rounds' are added up.
    """
    there, here, began = cpu_time_ns(server), time.process_time_ns(), now_ns()
    moved = 0
    calls = 16 if number == 1 else 1  # between looks at the clock
    while now_ns() - began < CPU_PHASE_NS:
        for _ in repeat(None, calls):
            operation()
        moved += calls * number
    return {
        "client_cpu_ns": time.process_time_ns() - here,
        "server_cpu_ns": cpu_time_ns(server) - there,
        "cpu_messages": moved,
    }


def cpu_time_ns(process_id: int) -> int:
    """The processor time that a process has used, all its threads together, in ns.

    The kernel's clock of another process: clock_getcpuclockid(3).
    """
    return time.clock_gettime_ns((~process_id << 3) | 2)


def json_codec(size_bytes: int, count: int | None) -> Samples:
    """What JSON costs a round trip by itself, in one process and without any transport.

    Four steps, as each HTTP + JSON method does them in a call: the payload into a document and out
    of it, for the request and for the answer.
    """
    durations_ns = _codec(payload_of(size_bytes), count)
    return Samples(durations_ns=durations_ns, clock_cost_ns=clock_cost_ns())


def _codec(payload: bytes, count: int | None) -> list[float]:
    if from_json(to_json(payload)) != payload:
        raise RuntimeError("a document does not hold what was put into it")
    return sample_each(lambda: from_json(to_json(from_json(to_json(payload)))), count, 10)


def idle(wait: Wait, seconds: float) -> Samples:
    """Waits for a message in vain.

    Returns:
        One sample: the processor time used for each second of waiting, in ns.

    Raises:
        NotImplementedError: this commit's ring cannot wait so.
    """
    with (
        package.ring().create(1 << 20) as ring,
        ring.producer(),
        package.consumer(ring, wait) as consumer,
    ):
        used_ns, began_ns = time.process_time_ns(), now_ns()
        with contextlib.suppress(package.errors().RingTimeoutError):
            consumer.read(timeout=seconds)
        used_ns, took_ns = time.process_time_ns() - used_ns, now_ns() - began_ns
    return Samples(durations_ns=[used_ns * 1e9 / took_ns])
