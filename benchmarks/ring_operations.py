"""What the measuring processes of the ring's suite do, and what each operation is.

An operation is an entry of `OPERATIONS`: the suite finds it there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

from benchmarks import package
from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.sampler import Operation, sample_each
from benchmarks.harness.samples import Samples

if TYPE_CHECKING:
    from aetherless_py.shm import Consumer, Producer

CAPACITY_BYTES = 1 << 20
WARMUP = 100
LARGEST_IN_BLOCKS = 4096
BLOCK = 200


def batch_size(size_bytes: int) -> int:
    """Messages a block and a batch: as many as fit into half the ring, no more than BLOCK."""
    return min(BLOCK, CAPACITY_BYTES // 2 // (size_bytes + 128))


@dataclass(frozen=True)
class _Timed:
    """What moves `number` messages, with what goes around it outside the timed part.

    Each loops by itself: a call of Python's around every message would cost as much as the ring.
    """

    operation: Operation
    before: Operation = lambda: None
    after: Operation = lambda: None


def _write(producer: Producer, consumer: Consumer, payload: bytes, number: int) -> _Timed:
    write = producer.write

    def operation() -> None:
        for _ in repeat(None, number):
            write(payload)

    return _Timed(operation, after=lambda: consumer.read_many(number))


def _read(producer: Producer, consumer: Consumer, payload: bytes, number: int) -> _Timed:
    read = consumer.read

    def operation() -> None:
        for _ in repeat(None, number):
            read()

    return _Timed(operation, before=lambda: producer.write_many([payload] * number))


def _roundtrip(producer: Producer, consumer: Consumer, payload: bytes, number: int) -> _Timed:
    write, read = producer.write, consumer.read

    def operation() -> None:
        for _ in repeat(None, number):
            write(payload)
            read()

    return _Timed(operation)


def _roundtrip_zero_copy(
    producer: Producer, consumer: Consumer, payload: bytes, number: int
) -> _Timed:
    size = len(payload)
    reserve, commit = producer.reserve, producer.commit
    peek, release = consumer.peek, consumer.release

    def operation() -> None:
        for _ in repeat(None, number):
            reserve(size)[:] = payload
            commit()
            peek()
            release()

    return _Timed(operation)


def _checksum(producer: Producer, consumer: Consumer, payload: bytes, number: int) -> _Timed:
    crc32 = package.crc32()

    def operation() -> None:
        for _ in repeat(None, number):
            crc32(payload)

    return _Timed(operation)


def _many(producer: Producer, consumer: Consumer, payload: bytes, number: int) -> _Timed:
    payloads = [payload] * number

    def operation() -> None:
        producer.write_many(payloads)
        consumer.read_many(number)

    return _Timed(operation)


OPERATIONS: dict[str, Callable[[Producer, Consumer, bytes, int], _Timed]] = {
    "write": _write,
    "read": _read,
    "roundtrip": _roundtrip,
    "roundtrip_zero_copy": _roundtrip_zero_copy,
    "roundtrip_unchecked": _roundtrip,
    "checksum": _checksum,
    "many": _many,
}


def sample_deque(count: int) -> dict[str, Any]:
    """Samples `deque.append` and `deque.popleft`, the cheapest pair of calls that puts and takes.

    Args:
        count: how many samples.

    Returns:
        `Samples` as a dict.
    """
    cost_ns = clock_cost_ns()
    queue: deque[bytes] = deque()
    put, take, payload = queue.append, queue.popleft, payload_of(64)

    def operation() -> None:
        for _ in repeat(None, BLOCK):
            put(payload)
            take()

    samples = sample_each(operation, count, WARMUP, number=BLOCK)
    return Samples(durations_ns=samples, number=BLOCK, clock_cost_ns=cost_ns).as_dict()


def _must(holds: bool) -> None:
    if not holds:  # no `assert`, which an interpreter may be told to leave out
        raise RuntimeError("the ring does not give back what was put into it: nothing is timed")


def _prove(producer: Producer, consumer: Consumer, payload: bytes) -> None:
    """Every way through the ring gives the payload back, more than once around it."""
    import zlib

    crc32 = package.crc32()
    for _ in range(2 * CAPACITY_BYTES // len(payload) // 3):
        producer.write(payload)
        _must(consumer.read() == payload)
        producer.reserve(len(payload))[:] = payload
        producer.commit()
        _must(consumer.peek() == payload)
        consumer.release()
        _must(producer.write_many([payload, payload]) == 2)
        _must(consumer.read_many(2) == [payload, payload])
        if len(payload) < 4096:
            break
    _must(consumer.try_read() is None)
    _must(crc32(payload) == zlib.crc32(payload))


def sample(operation: str, size_bytes: int, count: int) -> dict[str, Any]:
    """Proves the ring right, then samples one operation.

    Args:
        operation: a key of `OPERATIONS`.
        size_bytes: of the payload.
        count: how many samples.

    Returns:
        `Samples` as a dict.
    """
    cost_ns = clock_cost_ns()
    payload = payload_of(size_bytes)
    in_blocks = size_bytes <= LARGEST_IN_BLOCKS
    number = batch_size(size_bytes) if in_blocks or operation == "many" else 1
    checksum = operation != "roundtrip_unchecked"
    with package.ring().create(CAPACITY_BYTES, checksum=checksum) as ring:
        ring.unlink()  # nobody else attaches: nothing is left however this process ends
        producer, consumer = ring.producer(), ring.consumer()
        _prove(producer, consumer, payload)
        timed = OPERATIONS[operation](producer, consumer, payload, number)
        samples = sample_each(timed.operation, count, WARMUP, timed.before, timed.after, number)
    return Samples(durations_ns=samples, number=number, clock_cost_ns=cost_ns).as_dict()
