"""Aetherless's own way: the channel for calls, the ring for streams."""

from __future__ import annotations

import abc
import contextlib
import functools
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import repeat
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from benchmarks import package
from benchmarks.transports.base import (
    CONFIRMATION,
    Client,
    Mode,
    Payload,
    Transport,
    check_confirmation,
)  # fmt: skip
from benchmarks.transports.document import from_json, to_json

if TYPE_CHECKING:
    from aetherless_py.channel import Channel
    from aetherless_py.shm import Consumer, Producer, RingBuffer
    from aetherless_py.shm.side import Wait

Check: TypeAlias = Callable[[Payload], None]

LEAST_CAPACITY_BYTES = 1 << 20
BATCH = 256
# Batches of larger messages would be allocated and given back to the kernel each time.
LARGEST_IN_BATCHES = 4096


class Segments(Transport):
    """What is made of named segments: the client's process makes them, the server attaches."""

    checksum: ClassVar[bool] = True
    samples = 1000

    def __init__(
        self, folder: str, message_bytes: int, mode: Mode, timeout_s: float | None = None
    ) -> None:
        super().__init__(folder, message_bytes, mode, timeout_s)
        capacity_bytes = LEAST_CAPACITY_BYTES
        while capacity_bytes < 4 * message_bytes:
            capacity_bytes *= 2
        self._made = self.made(capacity_bytes)
        self._names = [one.name for one in self._made]

    @abc.abstractmethod
    def made(self, capacity_bytes: int) -> list[Any]:
        """Makes what the server attaches to, with so much room for messages."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": []}

    @contextlib.contextmanager
    def attached(self, *wait: Wait) -> Iterator[tuple[Consumer, Producer]]:
        """The server's ends of a ring there and of one back.

        Args:
            wait: how they wait; left out for as the package does.
        """
        ring = package.ring()
        with (
            ring.attach(self._names[0]) as there,
            ring.attach(self._names[1]) as back,
            there.consumer(*wait) as consumer,
            back.producer(*wait) as producer,
        ):
            yield consumer, producer

    def close(self) -> None:
        for one in self._made:
            one.close()
            one.unlink()


class SharedMemory(Segments):
    """Copies in and out: `Channel.call` and `serve`; `write_many` and `read_many`."""

    name = "shared_memory"
    policy: ClassVar[Wait] = "adaptive"
    wait = "adaptive"
    tracking: ClassVar[tuple[Mode, ...]] = ("echo", "sink")
    quick = tracking

    @classmethod
    def missing(cls) -> str | None:
        return package.lacks(package.channel)

    def made(self, capacity_bytes: int) -> list[Any]:
        if self.mode == "echo":
            create = package.channel().create
            return [create(capacity_bytes, checksum=self.checksum, wait=self.policy)]
        create_ring = package.ring().create
        return [create_ring(capacity_bytes, checksum=self.checksum), create_ring(4096)]

    def serve(self, ready: Connection) -> None:
        if self.mode == "echo":
            with package.channel().attach(self._names[0], self.policy) as channel:
                ready.send(None)
                self.echo(channel)
            return
        with self.attached(self.policy) as (consumer, producer):
            ready.send(None)
            _sink(consumer, producer, self.takes)

    def connect(self, server: BaseProcess, address: Any) -> Client:
        if self.mode == "echo":
            return self.caller(self._made[0])
        return RingStream(self._made[0], self._made[1], self)

    # What the zero-copy form does otherwise.

    def caller(self, channel: Channel) -> Client:
        """The client of an echo server."""
        return ChannelClient(channel, self.timeout_s)

    def echo(self, channel: Channel) -> None:
        """The echo server."""
        channel.serve(lambda request: request)

    def gives(self, producer: Producer, payload: Payload, count: int) -> None:
        """Sends a message `count` times."""
        batch = [payload] * BATCH
        while count:
            count -= producer.write_many(batch if count >= BATCH else batch[:count])

    def takes(self, consumer: Consumer, count: int, check: Check | None) -> int:
        """Takes `count` messages; gives their bytes."""
        size_bytes = 0
        if self.message_bytes > LARGEST_IN_BATCHES:  # into the same memory again and again
            into = bytearray(self.message_bytes)
            view = memoryview(into)
            for _ in repeat(None, count):
                got = consumer.read_into(into)
                size_bytes += got
                if check:
                    check(view[:got])
            return size_bytes
        while count:
            messages = consumer.read_many(min(count, BATCH))
            size_bytes += sum(map(len, messages))
            count -= len(messages)
            if check:
                for message in messages:
                    check(message)
        return size_bytes


class SharedMemorySpin(SharedMemory):
    """As SharedMemory; neither side ever sleeps."""

    name = "shared_memory_spin"
    policy = "spin"
    wait = "spin"


class SharedMemoryPark(SharedMemory):
    """As SharedMemory; both sides sleep at once."""

    name = "shared_memory_park"
    policy = "park"
    wait = "park"


class SharedMemoryZeroCopy(SharedMemory):
    """`reserve` and `call_reserved`, `serve_views`: each side copies once, into the ring."""

    name = "shared_memory_zero_copy"
    tracking = ("echo", "sink")
    quick = ("echo",)

    def caller(self, channel: Channel) -> Client:
        return ViewClient(channel, self.timeout_s)

    def echo(self, channel: Channel) -> None:
        def copy(request: memoryview, reserve: Callable[[int], memoryview]) -> None:
            reserve(len(request))[:] = request

        channel.serve_views(copy)

    def gives(self, producer: Producer, payload: Payload, count: int) -> None:
        reserve, commit, size = producer.reserve, producer.commit, len(payload)
        for _ in repeat(None, count):
            reserve(size)[:] = payload
            commit()

    def takes(self, consumer: Consumer, count: int, check: Check | None) -> int:
        peek, release, size_bytes = consumer.peek, consumer.release, 0
        for _ in repeat(None, count):
            message = peek()
            size_bytes += len(message)
            if check:
                check(message)
            release()
        return size_bytes


class SharedMemoryZeroCopyUnchecked(SharedMemoryZeroCopy):
    """As SharedMemoryZeroCopy, without the checksum that others have not either."""

    name = "shared_memory_zero_copy_unchecked"
    checksum = False


class SharedMemoryJson(SharedMemory):
    """As SharedMemory, the payload inside the JSON document in which the HTTP methods carry it."""

    name = "shared_memory_json"
    streams = False
    documents = True
    samples = Transport.samples

    def caller(self, channel: Channel) -> Client:
        return DocumentClient(channel, self.timeout_s)

    def echo(self, channel: Channel) -> None:
        channel.serve(lambda request: to_json(from_json(request)))


class ChannelClient(Client):
    """Calls through a channel: `call` is the channel's own."""

    def __init__(self, channel: Channel, timeout_s: float | None) -> None:
        errors = package.errors()
        self._channel, self._timeout_s = channel, timeout_s
        self.gone = (errors.PeerClosedError, errors.PeerDiedError)
        self._bind()
        # The first call takes the caller's part. Without it the server would not learn that one
        # who never asked is gone: it waits for its first caller, whoever that will be.
        self.call(b"")

    def _bind(self) -> None:
        call: Any = self._channel.call
        if self._timeout_s is not None:
            call = functools.partial(call, timeout=self._timeout_s)
        self.call = call  # type: ignore[method-assign]

    def call(self, payload: Payload) -> Payload:
        raise NotImplementedError  # each object has the channel's own

    def close(self) -> None:
        self._channel.close()


class DocumentClient(ChannelClient):
    """Calls through a channel, with documents."""

    def _bind(self) -> None:
        pass

    def call(self, payload: Payload) -> Payload:
        return from_json(self._channel.call(to_json(payload), self._timeout_s))


class ViewClient(ChannelClient):
    """Calls through a channel without copies of the answer, which is valid until the next call."""

    _held = False

    def _bind(self) -> None:
        pass

    def call(self, payload: Payload) -> Payload:
        channel = self._channel
        if self._held:
            self._held = False
            channel.release()
        channel.reserve(len(payload), self._timeout_s)[:] = payload
        answer = channel.call_reserved(None, self._timeout_s)
        self._held = True
        return answer


class RingStream(Client):
    """A stream through a ring, confirmed through another one."""

    def __init__(self, there: RingBuffer, back: RingBuffer, transport: SharedMemory) -> None:
        self._producer = there.producer(transport.policy)
        self._consumer = back.consumer(transport.policy)
        self._gives, self._timeout_s = transport.gives, transport.timeout_s
        self._first = True

    def call(self, payload: Payload) -> Payload:
        raise NotImplementedError("a stream has no answers")

    def stream(self, payload: Payload, count: int) -> None:
        self._producer.write(struct.pack("<Q", count))
        self._gives(self._producer, payload, count)
        confirmed = self._consumer.read(self._timeout_s)
        check_confirmation(confirmed, payload, count, self._first)
        self._first = False

    def close(self) -> None:
        self._producer.close()
        self._consumer.close()


def _sink(
    consumer: Consumer, producer: Producer, takes: Callable[[Consumer, int, Check | None], int]
) -> None:
    crc = 0

    def check(message: Payload) -> None:
        nonlocal crc
        crc = zlib.crc32(message, crc)

    how: Check | None = check
    with contextlib.suppress(package.errors().PeerClosedError):
        while True:
            (count,) = struct.unpack("<Q", consumer.read())
            size_bytes = takes(consumer, count, how)
            how = None  # every byte is looked at in the first stream, which warms up
            producer.write(CONFIRMATION.pack(count, size_bytes, crc))
