"""What the measuring processes of the ring's suite do, and what each operation is.

An operation is an entry of `OPERATIONS`: the suite finds it there.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import package
from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.sampler import sample_each
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
class Operation:
    """A statement that moves one message, or `number` of them, and what goes before a sample."""

    statement: str
    before: str = "pass"
    moves_many: bool = False
    checksum: bool = True


# Methods that the statements call.
_PRODUCERS = ("write", "write_many", "reserve", "commit")
_CONSUMERS = ("read", "try_read", "read_many", "peek", "release")
_WRITE_READ = "write(payload); read()"
OPERATIONS = {
    "write": Operation("write(payload)", before="[*iter(try_read, None)]"),
    "read": Operation("read()", before="write_many(payloads)"),
    "roundtrip": Operation(_WRITE_READ),
    "roundtrip_zero_copy": Operation("reserve(size)[:] = payload; commit(); peek(); release()"),
    "roundtrip_unchecked": Operation(_WRITE_READ, checksum=False),
    "checksum": Operation("crc32(payload)"),
    "many": Operation("write_many(payloads); read_many(number)", moves_many=True),
}


def sample_deque(count: int | None) -> Samples:
    """Samples `deque.append` and `deque.popleft`, the cheapest pair of calls that puts and takes.

    Args:
        count: as `sample_each`.
    """
    queue: deque[bytes] = deque()
    names = {"put": queue.append, "take": queue.popleft, "payload": payload_of(64)}
    return _sampled(Operation("put(payload); take()"), count, BLOCK, names)


def sample(operation: str, size_bytes: int, count: int | None) -> Samples:
    """Proves the ring right, then samples one operation.

    Args:
        operation: a key of `OPERATIONS`.
        size_bytes: of the payload.
        count: as `sample_each`.
    """
    chosen = OPERATIONS[operation]
    payload = payload_of(size_bytes)
    in_blocks = size_bytes <= LARGEST_IN_BLOCKS or chosen.moves_many
    number = batch_size(size_bytes) if in_blocks else 1
    with package.ring().create(CAPACITY_BYTES, checksum=chosen.checksum) as ring:
        ring.unlink()  # nobody else attaches: nothing is left however this process ends
        producer, consumer = ring.producer(), ring.consumer()
        _prove(producer, consumer, payload)
        names: dict[str, Any] = {"crc32": package.crc32(), "size": size_bytes, "number": number}
        names |= {"payload": payload, "payloads": [payload] * number}
        for side, methods in ((producer, _PRODUCERS), (consumer, _CONSUMERS)):
            names |= {name: getattr(side, name) for name in methods}
        return _sampled(chosen, count, number, names)


def _sampled(
    chosen: Operation, count: int | None, number: int, names: Mapping[str, Any]
) -> Samples:
    cost_ns = clock_cost_ns()
    loops = 1 if chosen.moves_many else number
    samples = sample_each(chosen.statement, count, WARMUP, number, loops, chosen.before, names)
    return Samples(durations_ns=samples, number=number, clock_cost_ns=cost_ns)


def _must(holds: bool) -> None:
    if not holds:  # no `assert`, which an interpreter may be told to leave out
        raise RuntimeError("the ring does not give back what was put into it: nothing is timed")


def _prove(producer: Producer, consumer: Consumer, payload: bytes) -> None:
    """Every way through the ring gives the payload back, more than once around it."""
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
    _must(package.crc32()(payload) == zlib.crc32(payload))
