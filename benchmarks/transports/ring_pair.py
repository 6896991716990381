"""Two bare rings, one in each direction: what the channel is made of, without the channel."""

from __future__ import annotations

from itertools import repeat
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import package
from benchmarks.harness.clock import now_ns
from benchmarks.transports.base import Link, LinkTransport, Look, Payload

if TYPE_CHECKING:
    from aetherless_py.shm import Consumer, Producer, RingBuffer
    from aetherless_py.shm.side import Wait

# Each loop below stands apart and calls nothing of its own: a layer of Python around the calls of
# the ring would cost as much as one of them.

LEAST_CAPACITY_BYTES = 1 << 20
BATCH = 256
# Batches of larger messages would be allocated and given back to the kernel each time.
LARGEST_IN_BATCHES = 4096


class RingLink(Link):
    """Copies in and out, by `write` and `read`; streams by `write_many` and `read_many`."""

    def __init__(self, producer: Producer, consumer: Consumer, message_bytes: int) -> None:
        self.producer, self.consumer, self._message_bytes = producer, consumer, message_bytes
        self.send, self.receive = producer.write, consumer.read

    def sample(self, payload: Payload, count: int) -> list[int]:
        write, read, clock = self.send, self.receive, now_ns
        samples = [0] * count
        for i in range(count):
            began = clock()
            write(payload)
            read()
            samples[i] = clock() - began
        return samples

    def give(self, payload: Payload, count: int) -> None:
        batch = [payload] * BATCH
        while count:
            count -= self.producer.write_many(batch if count >= BATCH else batch[:count])

    def take(self, count: int, look: Look | None) -> int:
        size_bytes = 0
        if self._message_bytes > LARGEST_IN_BATCHES:  # into the same memory again and again
            into = bytearray(self._message_bytes)
            view = memoryview(into)
            for _ in repeat(None, count):
                got = self.consumer.read_into(into)
                size_bytes += got
                if look:
                    look(view[:got])
            return size_bytes
        while count:
            messages = self.consumer.read_many(min(count, BATCH))
            size_bytes += sum(map(len, messages))
            count -= len(messages)
            if look:
                for message in messages:
                    look(message)
        return size_bytes

    def close(self) -> None:
        self.producer.close()
        self.consumer.close()


class RingViewLink(RingLink):
    """Each side copies once, into the ring: `reserve` and `commit`, `peek` and `release`."""

    _held = False

    def call(self, payload: Payload) -> Payload:
        if self._held:
            self.consumer.release()
        self.producer.reserve(len(payload))[:] = payload
        self.producer.commit()
        answer = self.consumer.peek()
        self._held = True
        return answer

    def sample(self, payload: Payload, count: int) -> list[int]:
        reserve, commit = self.producer.reserve, self.producer.commit
        peek, release = self.consumer.peek, self.consumer.release
        size, clock = len(payload), now_ns
        if self._held:
            release()
        samples = [0] * count
        for i in range(count):
            began = clock()
            reserve(size)[:] = payload
            commit()
            peek()
            samples[i] = clock() - began
            release()
        self._held = False
        return samples

    def echo(self) -> None:
        peek, release = self.consumer.peek, self.consumer.release
        reserve, commit = self.producer.reserve, self.producer.commit
        while True:
            message = peek()
            reserve(len(message))[:] = message
            commit()
            release()

    def give(self, payload: Payload, count: int) -> None:
        reserve, commit, size = self.producer.reserve, self.producer.commit, len(payload)
        for _ in repeat(None, count):
            reserve(size)[:] = payload
            commit()

    def take(self, count: int, look: Look | None) -> int:
        peek, release, size_bytes = self.consumer.peek, self.consumer.release, 0
        for _ in repeat(None, count):
            message = peek()
            size_bytes += len(message)
            if look:
                look(message)
            release()
        return size_bytes


class RingPair(LinkTransport):
    """`write` and `read` on both sides. One way, the ring is what `shared_memory` streams by.

    Attributes:
        checksum: whether messages have one.
        policy: how a side waits, as arguments; none for as the package does.
        kind: of link.
    """

    name = "ring_pair"
    wait = "adaptive"
    streams = False
    samples = 1000
    checksum: ClassVar[bool] = True
    policy: ClassVar[tuple[Wait, ...]] = ()
    kind: ClassVar[type[RingLink]] = RingLink

    @classmethod
    def missing(cls) -> str | None:
        return package.lacks(package.ring)

    def __post_init__(self) -> None:
        capacity_bytes = LEAST_CAPACITY_BYTES
        while capacity_bytes < 4 * self.message_bytes:
            capacity_bytes *= 2
        self._made = self.made(capacity_bytes)
        self._names = [one.name for one in self._made]

    def made(self, capacity_bytes: int) -> list[Any]:
        """Makes what the server attaches to, with so much room for messages."""
        create = package.ring().create
        return [create(capacity_bytes, checksum=self.checksum) for _ in range(2)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": []}

    def accept(self, ready: Connection) -> Link:
        there, back = map(package.ring().attach, self._names)
        link = self._link(back, there)
        ready.send(None)
        return link

    def connect(self, address: Any) -> Any:
        return self._link(*self._made)

    def _link(self, outgoing: RingBuffer, incoming: RingBuffer) -> Link:
        producer, consumer = outgoing.producer(*self.policy), incoming.consumer(*self.policy)
        return self.kind(producer, consumer, self.message_bytes)

    def close(self) -> None:
        for one in self._made:
            one.close()
            one.unlink()


class RingPairZeroCopy(RingPair):
    """`reserve` and `commit`, `peek` and `release` on both sides: each side copies once."""

    name = "ring_pair_zero_copy"
    kind = RingViewLink


class RingPairZeroCopyUnchecked(RingPairZeroCopy):
    """As RingPairZeroCopy, without the checksum."""

    name = "ring_pair_zero_copy_unchecked"
    checksum = False
