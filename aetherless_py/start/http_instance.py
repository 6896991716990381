"""Instances that are asked over HTTP: the port that one will have, and how it is asked."""

from __future__ import annotations

import contextlib
import http.client
import io
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from aetherless_py.errors import HandlerError, InstanceGoneError, InvocationTimeoutError
from aetherless_py.start.instance import MAX_MESSAGE_BYTES, Instance, Phases, Process
from aetherless_py.start.output import Output
from aetherless_py.start.worker import HEAD_BYTES

HOST = "127.0.0.1"
MARKS = "X-Aether-Marks"  # the moments of `worker.marks_of` in hex, where the server has them


class Port:
    """A free port of the loopback, kept for one instance as long as it lives.

    It is bound with SO_REUSEADDR and never listened on: who binds it by its number with
    SO_REUSEADDR, too, as servers do, may listen on it, while the kernel gives it to nobody who asks
    for any port, nor to a connection.
    """

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((HOST, 0))
        except BaseException:
            self.socket.close()
            raise
        self.number: int = self.socket.getsockname()[1]

    def close(self) -> None:
        self.socket.close()


class HttpInstance(Instance):
    """An instance that gets requests as bodies of POST, a connection for each.

    Args:
        port: where it listens; kept until its end.
        connection: what shows it that nobody will ask any more; the port's socket where there is
            no such thing.

    Attributes:
        port: the number of that on which it listens.
    """

    def __init__(
        self,
        instance_id: str,
        mode: str,
        process: Process,
        port: Port,
        connection: socket.socket,
        output: Output,
        phases: Phases,
    ) -> None:
        super().__init__(instance_id, mode, process, connection, output, phases)
        self.port = port.number
        self._said_ready = connection is not port.socket
        self._head = (
            f"POST / HTTP/1.1\r\nHost: {HOST}:{port.number}\r\nConnection: close\r\n"
            "Content-Type: application/octet-stream\r\nContent-Length: "
        ).encode()
        self.at_end.append(lambda _: port.close())

    def _ask(self, payload: bytes, deadline_ns: int) -> bytes:
        if self._process.ended():
            raise InstanceGoneError("it ended before it was asked")
        if self._said_ready and self._speaks():
            raise InstanceGoneError("it spoke without being asked, on the connection for READY")
        first = self.invocations == 0
        self.invocations += 1
        with self._connect(deadline_ns) as connection:
            self._send(
                connection, b"%b%d\r\n\r\n%b" % (self._head, len(payload), payload), deadline_ns
            )

            def wait() -> None:
                self._wait(connection, select.POLLIN, deadline_ns)

            response = http.client.HTTPResponse(_Arriving(connection, wait), method="POST")  # type: ignore[arg-type]
            try:
                response.begin()
                answer = response.read(MAX_MESSAGE_BYTES + 1)
                whole = not response.length
            except http.client.RemoteDisconnected:
                raise InstanceGoneError("it ended before it answered") from None
            except http.client.HTTPException as error:
                raise InstanceGoneError(f"its answer makes no sense ({error!r})") from None
            answered_ns = time.monotonic_ns()
        if len(answer) > MAX_MESSAGE_BYTES or not whole:
            raise InstanceGoneError(
                f"its answer is too large, or cut off after {len(answer)} bytes"
            )
        if first:
            marks = bytes.fromhex(response.headers.get(MARKS, ""))
            self._note(bytes(8) + marks.ljust(HEAD_BYTES - 8, b"\0"), answered_ns)
        if response.status != 200:
            raise HandlerError(f"status {response.status}: {answer.decode(errors='replace')}")
        return answer

    def _speaks(self) -> bool:
        # One that has closed that connection serves as before.
        with contextlib.suppress(OSError):
            return bool(self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        return False

    def _connect(self, deadline_ns: int) -> socket.socket:
        left_ns = deadline_ns - time.monotonic_ns()
        try:
            connection = socket.create_connection((HOST, self.port), max(left_ns, 1_000_000) / 1e9)
        except TimeoutError:
            raise InvocationTimeoutError("no connection in time; it was killed") from None
        except OSError as error:
            raise InstanceGoneError(f"it listens no more ({error})") from None
        connection.settimeout(None)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class _Arriving(io.RawIOBase):
    """What arrives on a connection, as `http.client` wants to read it."""

    def __init__(self, connection: socket.socket, wait: Callable[[], None]) -> None:
        self._connection, self._wait = connection, wait

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, 1 << 16)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            self._wait()
            try:
                return self._connection.recv_into(buffer, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                return 0
