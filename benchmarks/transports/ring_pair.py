"""Two bare rings, one in each direction: what the channel is made of, without the channel."""

from __future__ import annotations

import contextlib
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from benchmarks import package
from benchmarks.harness.clock import now_ns
from benchmarks.transports.base import Client, Payload
from benchmarks.transports.shared_memory import Segments

if TYPE_CHECKING:
    from aetherless_py.shm import Consumer, Producer

# Each loop below stands apart and calls nothing of its own: a layer of Python around the calls of
# the ring would cost as much as one of them.


class RingPair(Segments):
    """`write` and `read` on both sides. One way, the ring is what `shared_memory` streams by."""

    name = "ring_pair"
    wait = "adaptive"
    streams = False

    @classmethod
    def missing(cls) -> str | None:
        return package.lacks(package.ring)

    def made(self, capacity_bytes: int) -> list[Any]:
        create = package.ring().create
        return [create(capacity_bytes, checksum=self.checksum) for _ in range(2)]

    def serve(self, ready: Connection) -> None:
        with (
            self.attached() as (consumer, producer),
            contextlib.suppress(package.errors().PeerClosedError),
        ):
            ready.send(None)
            self.echo(consumer, producer)

    def connect(self, server: BaseProcess, address: Any) -> Client:
        return RingClient(self._made[0].producer(), self._made[1].consumer(), self.timeout_s)

    def echo(self, consumer: Consumer, producer: Producer) -> None:
        """The echo server."""
        read, write = consumer.read, producer.write
        while True:
            write(read())


class RingPairZeroCopy(RingPair):
    """`reserve` and `commit`, `peek` and `release` on both sides: each side copies once."""

    name = "ring_pair_zero_copy"

    def connect(self, server: BaseProcess, address: Any) -> Client:
        return RingViewClient(self._made[0].producer(), self._made[1].consumer(), self.timeout_s)

    def echo(self, consumer: Consumer, producer: Producer) -> None:
        peek, release = consumer.peek, consumer.release
        reserve, commit = producer.reserve, producer.commit
        while True:
            message = peek()
            reserve(len(message))[:] = message
            commit()
            release()


class RingPairZeroCopyUnchecked(RingPairZeroCopy):
    """As RingPairZeroCopy, without the checksum."""

    name = "ring_pair_zero_copy_unchecked"
    checksum = False


class RingClient(Client):
    """The side that asks, by `write` and `read`."""

    def __init__(self, producer: Producer, consumer: Consumer, timeout_s: float | None) -> None:
        errors = package.errors()
        self.gone = (errors.PeerClosedError, errors.PeerDiedError)
        self._producer, self._consumer, self._timeout_s = producer, consumer, timeout_s

    def call(self, payload: Payload) -> Payload:
        self._producer.write(payload)
        return self._consumer.read(self._timeout_s)

    def sample(self, payload: Payload, count: int) -> list[int]:
        write, read, clock = self._producer.write, self._consumer.read, now_ns
        samples = [0] * count
        for i in range(count):
            began = clock()
            write(payload)
            read()
            samples[i] = clock() - began
        return samples

    def close(self) -> None:
        self._producer.close()
        self._consumer.close()


class RingViewClient(RingClient):
    """The side that asks, without a copy of the answer, which is valid until the next call."""

    _held = False

    def call(self, payload: Payload) -> Payload:
        if self._held:
            self._consumer.release()
        self._producer.reserve(len(payload))[:] = payload
        self._producer.commit()
        self._held = False
        answer = self._consumer.peek(self._timeout_s)
        self._held = True
        return answer

    def sample(self, payload: Payload, count: int) -> list[int]:
        reserve, commit = self._producer.reserve, self._producer.commit
        peek, release = self._consumer.peek, self._consumer.release
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
