"""The contract of every way between two processes, and what starts and ends the second one.

The client's process makes a `Transport`, which travels to a fresh server process, and connects to
it. The server echoes (`mode="echo"`) or takes streams and confirms them (`mode="sink"`) until it is
killed: it owns nothing that would have to be put away.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import struct
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from benchmarks.harness.clock import now_ns
from benchmarks.harness.processes import die_with_parent, pin

Mode: TypeAlias = Literal["echo", "sink"]
Payload: TypeAlias = bytes | bytearray | memoryview
Look: TypeAlias = Callable[[Payload], None]

START_TIMEOUT_S = 30.0
ENDING_S = 0.1  # from when a server's connections are closed until it has ended

CONFIRMATION = struct.Struct("<QQI")  # messages, bytes, CRC-32 over the first stream


class TransportError(RuntimeError):
    """A message did not arrive, or not as it was sent; or the server has ended."""


class Client(ABC):
    """The side that asks, and that times.

    Attributes:
        call: sends a message to an echo server; gives its answer, valid until the next call.
    """

    call: Callable[[Payload], Payload]
    _has_streamed = False

    def sample(self, payload: Payload, count: int) -> list[int]:
        """Times `count` calls one by one, in ns.

        A way whose calls take less than a microsecond does this by itself: a call of Python's
        around them would be seen in the figure.
        """
        call, clock = self.call, now_ns
        samples = [0] * count
        for i in range(count):
            began = clock()
            call(payload)
            samples[i] = clock() - began
        return samples

    def stream(self, payload: Payload, count: int) -> None:
        """Sends a message `count` times to a sink, and waits until it has confirmed them all.

        Raises:
            NotImplementedError: this way has no streams.
            TransportError: something is missing or changed.
        """
        raise NotImplementedError("each request waits for its answer: there is no stream")

    def check(self, confirmed: Payload, payload: Payload, count: int) -> None:
        """Holds what a sink says against what was sent; of the first stream also every byte.

        Raises:
            TransportError: something is missing or changed.
        """
        messages, size_bytes, crc = CONFIRMATION.unpack(confirmed)
        if (messages, size_bytes) != (count, count * len(payload)):
            raise TransportError(f"{count} messages sent, {messages} of {size_bytes} bytes arrived")
        if not self._has_streamed and crc != zlib.crc32(bytes(payload) * count):
            raise TransportError("what arrived is not what was sent")
        self._has_streamed = True

    @abstractmethod
    def close(self) -> None:
        """Gives up what the client holds; the server has ended."""


class Link(Client):
    """One side's end of a way that carries whole messages in both directions.

    Attributes:
        send: sends one message, whole; waits while the way is full.
        receive: waits for the next message; it is valid until the next call.
    """

    send: Callable[[Payload], Any]
    receive: Callable[[], Payload]

    def call(self, payload: Payload) -> Payload:
        self.send(payload)
        return self.receive()

    def stream(self, payload: Payload, count: int) -> None:
        self.send(struct.pack("<Q", count))
        self.give(payload, count)
        self.check(self.receive(), payload, count)

    def give(self, payload: Payload, count: int) -> None:
        """Sends a message `count` times."""
        send = self.send
        for _ in repeat(None, count):
            send(payload)

    def take(self, count: int, look: Look | None) -> int:
        """Takes `count` messages, and has them looked at; gives their bytes."""
        receive, size_bytes = self.receive, 0
        for _ in repeat(None, count):
            message = receive()
            size_bytes += len(message)
            if look:
                look(message)
        return size_bytes

    def echo(self) -> None:
        """The server of calls."""
        send, receive = self.send, self.receive
        while True:
            send(receive())

    def sink(self) -> None:
        """The server of streams."""
        crc = 0

        def look(message: Payload) -> None:
            nonlocal crc
            crc = zlib.crc32(message, crc)

        looks: Look | None = look
        while True:
            (count,) = struct.unpack("<Q", self.receive())
            size_bytes = self.take(count, looks)
            looks = None  # every byte is looked at in the first stream, which warms up
            self.send(CONFIRMATION.pack(count, size_bytes, crc))


@dataclass
class Transport(ABC):
    """One way between two processes; made in the client's.

    Attributes:
        folder: a private folder for names; empty at first, and again after `close`.
        message_bytes: the largest message that will be sent.
        mode: what the server does.
        name: its own, also in results; a class without one is no way by itself.
        wait: how a side waits; for the metadata of results.
        streams: whether messages can follow each other without an answer to each.
        bulk: whether it is made for messages of a MiB and more.
        largest_bytes: what it carries at most on this machine; None for any size.
        documents: whether the payload travels inside a JSON document.
        samples: round trips that are timed in a round; more where they are short.
        tracking, quick: whether round trips ("echo") and streams ("sink") stand in that selection.
            A class says it for itself and not for those that inherit from it.
    """

    folder: str
    message_bytes: int
    mode: Mode

    name: ClassVar[str]
    wait: ClassVar[str] = "blocking"
    streams: ClassVar[bool] = True
    bulk: ClassVar[bool] = True
    largest_bytes: ClassVar[int | None] = None
    documents: ClassVar[bool] = False
    samples: ClassVar[int] = 150  # eight rounds of which carry a p99
    tracking: ClassVar[tuple[Mode, ...]] = ()
    quick: ClassVar[tuple[Mode, ...]] = ()

    def __post_init__(self) -> None:  # noqa: B027 - most have nothing to make
        """In the client's process: makes what the server will find."""

    @classmethod
    def missing(cls) -> str | None:
        """Why this machine cannot have it; None where it can."""
        return None

    @abstractmethod
    def connect(self, address: Any) -> Client:
        """In the client's process, when the server is ready; `address` is what it said then."""

    @abstractmethod
    def serve(self, ready: Connection) -> None:
        """In the server's process: says `ready.send(address)` when it can be connected to, then
        serves."""

    def close(self) -> None:
        """In the client's process, when server and client have ended: removes what has a name, by
        default all in its folder."""
        for path in Path(self.folder).iterdir():
            path.unlink()


class LinkTransport(Transport):
    """A transport made of links."""

    @abstractmethod
    def accept(self, ready: Connection) -> Link:
        """The server's end; says `ready` as soon as the client may connect."""

    def serve(self, ready: Connection) -> None:
        link = self.accept(ready)
        if self.mode == "echo":
            link.echo()
        else:
            link.sink()


def cannot_import(*modules: str) -> str | None:
    """Why one of the modules cannot be imported; None when all can."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:  # a broken build raises whatever it likes
            return f"{name}: {type(error).__name__}: {error}"
    return None


def kernel_limit(name: str, otherwise: int) -> int:
    """A limit of the kernel, from /proc/sys; `otherwise` where this machine does not show it."""
    try:
        return int(Path("/proc/sys", name).read_text())
    except OSError:
        return otherwise


@contextlib.contextmanager
def served(transport: Transport, cpu: int | None) -> Iterator[tuple[Client, BaseProcess]]:
    """A client with its server in a fresh process; ends both, and removes what they made.

    To be used by a process's main thread, which is interrupted when the server ends: some ways
    never tell their client.

    Args:
        transport: what to serve.
        cpu: the server's processor; None leaves it where it is.

    Raises:
        TransportError: the server did not start in time, or has ended before its client was done.
    """
    spawn = multiprocessing.get_context("spawn")
    ready, tell = spawn.Pipe(duplex=False)
    server = spawn.Process(target=_serve, args=(transport, cpu, os.getpid(), tell), daemon=True)
    gone = f"{transport.name}: the server has ended"

    def look(*_: object) -> None:
        # Not where the way has noticed it, too: whoever handles that is not to be interrupted.
        if sys.exception() is None and not server.is_alive():
            # And once more until it has arrived: what is raised within a destructor, Python drops.
            signal.setitimer(signal.ITIMER_REAL, ENDING_S)
            raise TransportError(gone)

    with contextlib.closing(transport), ready, contextlib.ExitStack() as clients:
        with tell:
            server.start()
        before = {
            number: signal.signal(number, look) for number in (signal.SIGCHLD, signal.SIGALRM)
        }
        try:
            if not ready.poll(START_TIMEOUT_S):
                raise TransportError(f"{transport.name}: the server did not start in time")
            client = transport.connect(ready.recv())
            clients.callback(client.close)
            yield client, server
        except Exception as error:  # what a way makes of it: closed, reset, the library's own
            server.join(ENDING_S)
            if server.is_alive() or isinstance(error, TransportError):
                raise
            raise TransportError(gone) from error
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)
            server.kill()
            server.join()
            server.close()


def _serve(transport: Transport, cpu: int | None, parent: int, ready: Connection) -> None:
    die_with_parent(parent)
    if cpu is not None:
        pin(cpu)
    transport.serve(ready)
