"""Aetherless's own way: the channel for calls, the ring for streams."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks import package
from benchmarks.transports.base import Client, Mode, Payload, Transport
from benchmarks.transports.document import from_json, to_json
from benchmarks.transports.ring_pair import RingPair, RingViewLink

if TYPE_CHECKING:
    from aetherless_py.channel import Channel
    from aetherless_py.shm.side import Wait


class SharedMemory(RingPair):
    """Copies in and out: `Channel.call` and `serve`; `write_many` and `read_many`."""

    name = "shared_memory"
    policy: ClassVar[tuple[Wait, ...]] = ("adaptive",)
    streams = True
    tracking: ClassVar[tuple[Mode, ...]] = ("echo", "sink")
    quick = tracking

    @classmethod
    def missing(cls) -> str | None:
        return package.lacks(package.channel)

    def made(self, capacity_bytes: int) -> list[Any]:
        if self.mode == "echo":
            create = package.channel().create
            return [create(capacity_bytes, checksum=self.checksum, wait=self.policy[0])]
        create_ring = package.ring().create
        return [create_ring(capacity_bytes, checksum=self.checksum), create_ring(4096)]

    def serve(self, ready: Connection) -> None:
        if self.mode == "sink":
            super().serve(ready)
            return
        channel = package.channel().attach(self._names[0], self.policy[0])
        ready.send(None)
        self.echo(channel)

    def connect(self, address: Any) -> Client:
        return super().connect(address) if self.mode == "sink" else self.caller(self._made[0])

    def caller(self, channel: Channel) -> Client:
        """The client of an echo server."""
        return ChannelClient(channel, channel.call)

    def echo(self, channel: Channel) -> None:
        """The echo server."""
        channel.serve(lambda request: request)


class SharedMemorySpin(SharedMemory):
    """As SharedMemory; neither side ever sleeps."""

    name = "shared_memory_spin"
    policy = ("spin",)
    wait = "spin"


class SharedMemoryPark(SharedMemory):
    """As SharedMemory; both sides sleep at once."""

    name = "shared_memory_park"
    policy = ("park",)
    wait = "park"


class SharedMemoryZeroCopy(SharedMemory):
    """`reserve` and `call_reserved`, `serve_views`: each side copies once, into the ring."""

    name = "shared_memory_zero_copy"
    tracking = ("echo", "sink")
    quick = ("echo",)
    kind = RingViewLink

    def caller(self, channel: Channel) -> Client:
        is_held = False

        def call(payload: Payload) -> Payload:
            nonlocal is_held
            if is_held:
                channel.release()
            channel.reserve(len(payload))[:] = payload
            answer = channel.call_reserved()
            is_held = True
            return answer

        return ChannelClient(channel, call)

    def echo(self, channel: Channel) -> None:
        def copy(request: memoryview, reserve: Callable[[int], memoryview]) -> None:
            reserve(len(request))[:] = request

        channel.serve_views(copy)


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
        return ChannelClient(channel, lambda payload: from_json(channel.call(to_json(payload))))

    def echo(self, channel: Channel) -> None:
        channel.serve(lambda request: to_json(from_json(request)))


class ChannelClient(Client):
    """Calls through a channel.

    Args:
        channel: is closed at the end.
        call: its own, or what is made of it.
    """

    def __init__(self, channel: Channel, call: Callable[[Payload], Payload]) -> None:
        self._channel, self.call = channel, call

    def close(self) -> None:
        self._channel.close()
