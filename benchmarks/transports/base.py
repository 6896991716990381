"""The contract of every way between two processes, and what starts and ends the second one.

The client's process makes a `Transport`, which travels to a fresh server process, and connects to
it. The server echoes (`mode="echo"`) or takes streams and confirms them (`mode="sink"`).
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import struct
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from benchmarks.harness.clock import now_ns
from benchmarks.harness.processes import die_with_parent, pin

Mode: TypeAlias = Literal["echo", "sink"]
Payload: TypeAlias = bytes | bytearray | memoryview

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 10.0
SLICE_S = 0.05  # how soon a dead peer is noticed where only looking tells

T = TypeVar("T")
CONFIRMATION = struct.Struct("<QQI")  # messages, bytes, CRC-32 over the first batch


class TransportError(RuntimeError):
    """A message did not arrive, or not as it was sent."""


class PeerGoneError(TransportError):
    """The other process has ended or closed."""


class Link(ABC):
    """One side's end of a way that carries whole messages in both directions."""

    @abstractmethod
    def send(self, payload: Payload) -> None:
        """Sends one message, whole; waits while the way is full."""

    @abstractmethod
    def receive(self) -> Payload:
        """Waits for the next message; it is valid until the next call.

        Raises:
            PeerGoneError: none will come.
            TimeoutError: none came within the time that the transport was made with.
        """

    @abstractmethod
    def close(self) -> None:
        """Gives up the descriptors. May be called again."""


class Client(ABC):
    """The side that asks, and that times."""

    gone: tuple[type[Exception], ...] = (PeerGoneError,)  # what `call` raises without a server

    @abstractmethod
    def call(self, payload: Payload) -> Payload:
        """Sends a message to an echo server; gives its answer.

        Raises:
            One of `gone`, TimeoutError: there is none.
        """

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
            TransportError: something is missing.
        """
        raise NotImplementedError("each request waits for its answer: there is no stream")

    @abstractmethod
    def close(self) -> None:
        """Tells the server to end."""


class Transport(ABC):
    """One way between two processes.

    Args:
        folder: a private folder for names; empty at first, and again after `close`.
        message_bytes: the largest message that will be sent.
        mode: what the server does.
        timeout_s: how long the client's `call` and `receive` wait; None for ever, which is what is
            timed. The server always waits for as long as its client lives.

    Attributes:
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

    name: ClassVar[str]
    wait: ClassVar[str] = "blocking"
    streams: ClassVar[bool] = True
    bulk: ClassVar[bool] = True
    largest_bytes: ClassVar[int | None] = None
    documents: ClassVar[bool] = False
    samples: ClassVar[int] = 150  # eight rounds of which carry a p99
    tracking: ClassVar[tuple[Mode, ...]] = ()
    quick: ClassVar[tuple[Mode, ...]] = ()

    def __init__(
        self, folder: str, message_bytes: int, mode: Mode, timeout_s: float | None = None
    ) -> None:
        self.folder = folder
        self.message_bytes = message_bytes
        self.mode = mode
        self.timeout_s = timeout_s

    @classmethod
    def missing(cls) -> str | None:
        """Why this machine cannot have it; None where it can."""
        return None

    @abstractmethod
    def connect(self, server: BaseProcess, address: Any) -> Client:
        """In the client's process, when the server is ready."""

    @abstractmethod
    def serve(self, ready: Connection) -> None:
        """In the server's process: says `ready.send(address)` when it can be connected to, then
        serves until the client goes."""

    def close(self) -> None:  # noqa: B027 - most have nothing to remove
        """In the client's process, after the server ended: removes what has a name."""


class LinkTransport(Transport):
    """A transport made of links: the same echo and the same sink for all of them."""

    @abstractmethod
    def client_link(self, server: BaseProcess, address: Any) -> Link:
        """The client's end; `address` is what the server said with `ready`."""

    @abstractmethod
    def server_link(self, ready: Connection) -> Link:
        """The server's end; says `ready` as soon as the client may connect."""

    def connect(self, server: BaseProcess, address: Any) -> Client:
        return LinkClient(self.client_link(server, address))

    def serve(self, ready: Connection) -> None:
        link = self.server_link(ready)
        try:
            with contextlib.suppress(PeerGoneError):
                if self.mode == "echo":
                    _echo(link)
                else:
                    _sink(link)
        finally:
            link.close()


class LinkClient(Client):
    """A client over a link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._first = True

    def call(self, payload: Payload) -> Payload:
        self.link.send(payload)
        return self.link.receive()

    def stream(self, payload: Payload, count: int) -> None:
        send = self.link.send
        send(struct.pack("<Q", count))
        for _ in range(count):
            send(payload)
        check_confirmation(self.link.receive(), payload, count, self._first)
        self._first = False

    def close(self) -> None:
        self.link.close()


def check_confirmation(confirmed: Payload, payload: Payload, count: int, first: bool) -> None:
    """Holds what a sink says against what was sent; of the first stream also every byte.

    Raises:
        TransportError: something is missing or changed.
    """
    messages, size_bytes, crc = CONFIRMATION.unpack(confirmed)
    if (messages, size_bytes) != (count, count * len(payload)):
        raise TransportError(f"{count} messages sent, {messages} of {size_bytes} bytes arrived")
    if first and crc != zlib.crc32(bytes(payload) * count):
        raise TransportError("what arrived is not what was sent")


def _echo(link: Link) -> None:
    send, receive = link.send, link.receive
    while True:
        send(receive())


def _sink(link: Link) -> None:
    receive = link.receive
    first = True
    while True:
        (count,) = struct.unpack("<Q", receive())
        size_bytes = crc = 0
        if first:  # every byte is looked at in the first batch, which warms up
            for _ in range(count):
                message = receive()
                size_bytes += len(message)
                crc = zlib.crc32(message, crc)
        else:
            for _ in range(count):
                size_bytes += len(receive())
        first = False
        link.send(CONFIRMATION.pack(count, size_bytes, crc))


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

    Args:
        transport: what to serve.
        cpu: the server's processor; None leaves it where it is.

    Raises:
        TransportError: the server did not start, or did not end when its client went.
    """
    spawn = multiprocessing.get_context("spawn")
    ready, tell = spawn.Pipe(duplex=False)
    server = spawn.Process(target=_serve, args=(transport, cpu, os.getpid(), tell), daemon=True)
    clean = False
    try:
        server.start()
        tell.close()
        if not ready.poll(START_TIMEOUT_S):
            raise TransportError(f"{transport.name}: the server did not start in time")
        try:
            address = ready.recv()
        except EOFError:
            raise TransportError(f"{transport.name}: the server ended at its start") from None
        client = transport.connect(server, address)
        try:
            yield client, server
        finally:
            client.close()
        clean = True
    finally:
        ready.close()
        server.join(END_TIMEOUT_S if clean else 0.0)
        late = server.is_alive()
        if late:
            server.kill()
            server.join()
        server.close()
        transport.close()
    if late:
        raise TransportError(f"{transport.name}: the server did not end when its client went")


def _serve(transport: Transport, cpu: int | None, parent: int, ready: Connection) -> None:
    die_with_parent(parent)
    if cpu is not None:
        pin(cpu)
    transport.timeout_s = None  # else a client that comes late would find that it has given up
    transport.serve(ready)


@contextlib.contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """For servers that have no other way to learn that their client is done."""

    def end(*_: object) -> None:
        # And once more until it has arrived: what is raised within a destructor, Python drops.
        signal.setitimer(signal.ITIMER_REAL, SLICE_S)
        raise SystemExit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGALRM)}
    try:
        yield
    except SystemExit:
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_in_slices(
    attempt: Callable[[float], T | None], server: BaseProcess | None, timeout_s: float | None
) -> T:
    """For ways that do not say that the peer is gone: waits, and looks for it now and then.

    Args:
        attempt: waits so many seconds at most; gives None when nothing came.
        server: looked for between attempts; None on the server's side, which dies with its client.
        timeout_s: in all; None for ever.

    Raises:
        PeerGoneError, TimeoutError: nothing came.
    """
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = SLICE_S if ends is None else min(SLICE_S, max(0.0, ends - time.monotonic()))
        found = attempt(left)
        if found is not None:
            return found
        if server is not None and not server.is_alive():
            raise PeerGoneError("the server has ended")
        if ends is not None and time.monotonic() >= ends:
            raise TimeoutError("nothing came in time")


def cpu_time_ns(process_id: int) -> int:
    """The processor time that a process has used, all its threads together, in ns.

    The kernel's clock of another process: clock_getcpuclockid(3).
    """
    return time.clock_gettime_ns((~process_id << 3) | 2)
