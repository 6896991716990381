"""The ring between two processes, each pinned to a processor of its own.

The caller makes the rings and measures through `roundtrips` and `stream`; what runs in the two
processes stands below.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from itertools import repeat
from typing import Literal, TypeAlias

import numpy as np

from aetherless_py.errors import RingTimeoutError
from aetherless_py.shm import Consumer, Producer, RingBuffer
from aetherless_py.shm.side import Wait
from benchmarks.harness.clock import now_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.processes import Task, run_fresh, run_pair
from benchmarks.harness.sampler import no_collector
from benchmarks.harness.statistics import Floats

Way: TypeAlias = Literal["copy", "zero_copy"]

CAPACITY_BYTES = 1 << 20
BATCH = 256
PARTS = 20
TIMEOUT_S = 120.0


def roundtrips(
    way: Way, size_bytes: int, count: int, cpus: tuple[int, int], checksum: bool = True
) -> Floats:
    """Times messages that go to the other process and come back.

    The clock starts before the message is put into the first ring and stops when the echo was
    taken out of the second one. "copy": `write` and `read` on both sides. "zero_copy": the payload
    is copied into a reserved frame, the other side copies it from the peeked frame into a reserved
    one, and the echo is peeked at. Each echo of the warm-up, a tenth of `count`, is compared with
    what was sent.

    Returns:
        `count` durations in ns.
    """
    with (
        RingBuffer.create(CAPACITY_BYTES, checksum=checksum) as there,
        RingBuffer.create(CAPACITY_BYTES, checksum=checksum) as back,
    ):
        common = {"way": way, "size_bytes": size_bytes, "count": count}
        samples, _ = run_pair(
            Task(f"{__name__}:ask", {**common, "out": there.name, "in_": back.name}, cpus[0]),
            Task(f"{__name__}:echo", {**common, "out": back.name, "in_": there.name}, cpus[1]),
            TIMEOUT_S,
        )
    return np.array(samples)


def stream(size_bytes: int, count: int, cpus: tuple[int, int], checksum: bool = True) -> Floats:
    """Times a stream of messages, `write_many` in one process and `read_many` in the other.

    Each process moves batches of up to 256. The receiver's clock cuts the stream into 21 equal
    parts, the first of which warms up; it sees that each message is the one that was sent.

    Returns:
        The mean time a message, in ns, of each of 20 parts.
    """
    with RingBuffer.create(CAPACITY_BYTES, checksum=checksum) as ring:
        common = {"name": ring.name, "size_bytes": size_bytes, "part": count // PARTS}
        _, samples = run_pair(
            Task(f"{__name__}:send", common, cpus[0]),
            Task(f"{__name__}:receive", common, cpus[1]),
            TIMEOUT_S,
        )
    return np.array(samples)


def idle_share(wait: Wait, seconds: float, cpu: int) -> float:
    """What share of a processor a consumer takes that waits for a message and gets none."""
    task = Task(f"{__name__}:idle", {"wait": wait, "seconds": seconds}, cpu)
    return float(run_fresh(task, TIMEOUT_S))


# -- in the processes ----------------------------------------------------------------------------


def ask(way: Way, size_bytes: int, count: int, out: str, in_: str) -> list[int]:
    """The side that sends first, and times."""
    payload = payload_of(size_bytes)
    with RingBuffer.attach(out) as there, RingBuffer.attach(in_) as back:
        producer, consumer = there.producer(), back.consumer()
        with no_collector():
            return (_ask_by_copy if way == "copy" else _ask_in_place)(
                producer, consumer, payload, count
            )


# The loops of the two ways stand apart, and call nothing of their own: a layer of Python around
# the four calls would cost as much as one of them.


def _ask_by_copy(producer: Producer, consumer: Consumer, payload: bytes, count: int) -> list[int]:
    write, read, clock = producer.write, consumer.read, now_ns
    for _ in repeat(None, count // 10):
        write(payload)
        if read() != payload:
            raise RuntimeError("the echo is not what was sent")
    samples = [0] * count
    for i in range(count):
        began = clock()
        write(payload)
        read()
        samples[i] = clock() - began
    return samples


def _ask_in_place(producer: Producer, consumer: Consumer, payload: bytes, count: int) -> list[int]:
    reserve, commit, peek, release = (
        producer.reserve, producer.commit, consumer.peek, consumer.release,
    )  # fmt: skip
    size, clock = len(payload), now_ns
    for _ in repeat(None, count // 10):
        reserve(size)[:] = payload
        commit()
        if peek() != payload:
            raise RuntimeError("the echo is not what was sent")
        release()
    samples = [0] * count
    for i in range(count):
        began = clock()
        reserve(size)[:] = payload
        commit()
        peek()
        samples[i] = clock() - began
        release()
    return samples


def echo(way: Way, size_bytes: int, count: int, out: str, in_: str) -> None:
    """The side that sends each message back."""
    total = count // 10 + count
    with RingBuffer.attach(out) as back, RingBuffer.attach(in_) as there:
        producer, consumer = back.producer(), there.consumer()
        if way == "copy":
            write, read = producer.write, consumer.read
            for _ in repeat(None, total):
                write(read())
        else:
            for _ in repeat(None, total):
                message = consumer.peek()
                producer.reserve(len(message))[:] = message
                producer.commit()
                consumer.release()
        while back.fill_bytes:  # stay until the other side has it all
            time.sleep(0.001)


def idle(wait: Wait, seconds: float) -> float:
    """Waits in vain."""
    with (
        RingBuffer.create(CAPACITY_BYTES) as ring,
        ring.producer(),
        ring.consumer(wait) as consumer,
    ):
        used, began = time.process_time_ns(), time.perf_counter_ns()
        with contextlib.suppress(RingTimeoutError):
            consumer.read(timeout=seconds)
        return (time.process_time_ns() - used) / (time.perf_counter_ns() - began)


def deque_calls(count: int) -> list[float]:
    """Puts an object into a deque and takes it out; the mean time a pair, of each of 20 parts."""
    queue: deque[bytes] = deque()
    put, take, payload = queue.append, queue.popleft, payload_of(64)
    samples = []
    with no_collector():
        for _ in range(PARTS):
            began = now_ns()
            for _ in repeat(None, count // PARTS):
                put(payload)
                take()
            samples.append((now_ns() - began) / (count // PARTS))
    return samples


def send(name: str, size_bytes: int, part: int) -> None:
    """The side that writes batches."""
    payloads = [_numbered(i, size_bytes) for i in range(BATCH)]
    left = part * (PARTS + 1)
    with RingBuffer.attach(name) as ring, ring.producer() as producer:
        sent = 0
        while left:
            at = sent % BATCH
            sent_now = producer.write_many(payloads[at : at + left])
            sent += sent_now
            left -= sent_now
        while ring.fill_bytes:
            time.sleep(0.001)


def receive(name: str, size_bytes: int, part: int) -> list[float]:
    """The side that reads batches, and times."""
    expected = [_numbered(i, size_bytes) for i in range(BATCH)] * 2
    samples = []
    got = 0
    with RingBuffer.attach(name) as ring, ring.consumer() as consumer:
        for _ in range(PARTS + 1):
            left = part
            began = time.perf_counter_ns()
            while left:
                messages = consumer.read_many(min(BATCH, left))
                at = got % BATCH
                if messages != expected[at : at + len(messages)]:
                    raise RuntimeError(f"after {got} messages one came that was not sent so")
                got += len(messages)
                left -= len(messages)
            samples.append((time.perf_counter_ns() - began) / part)
    return samples[1:]


def _numbered(i: int, size_bytes: int) -> bytes:
    return i.to_bytes(4, "little")[:size_bytes] + bytes(max(0, size_bytes - 4))
