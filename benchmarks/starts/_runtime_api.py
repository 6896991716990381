"""AWS's Runtime API, version 2018-06-01: an instance asks here for its next invocation.

HTTP on the loopback, a listener for each instance, whose address only that instance is told.
`RuntimeApi` runs in the process that measures, without threads: nothing happens but in `hear`.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import abc
import contextlib
import json
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.starts._process import HOST
from benchmarks.starts.base import StartError

with contextlib.suppress(ImportError):  # asv imports every module, also where it is missing
    import httptools

JSON = {"content-type": "application/json"}
ROOT = "/2018-06-01/runtime"
NEXT = ("GET", f"{ROOT}/invocation/next")
INIT_ERROR = ("POST", f"{ROOT}/init/error")
ACCEPTED = (202, JSON, b'{"status":"OK"}')
_SENDING_S = 60.0  # that an instance may take to read an event
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:aetherless"


@dataclass(eq=False, slots=True)
class Request:
    """A whole request, and where its answer goes.

    Attributes:
        what: method and target.
        headers: with names in lower case.
    """

    connection: Connection
    what: tuple[str, str]
    headers: list[tuple[str, str]]
    body: bytes


class Connection(abc.ABC):
    """HTTP/1.1 with somebody who sends no request before the one before is answered.

    Attributes:
        requests: those that are there whole.
        gone: nobody waits there for an answer any more.
    """

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.gone = False
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Takes what has come.

        Raises:
            httptools.HttpParserError: it is no HTTP.
        """
        self._parser.feed_data(data)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answers the request that has come last."""
        lines = [f"HTTP/1.1 {status} "]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body)}", *([] if self._keep else ["connection: close"])]
        self.write("\r\n".join([*lines, "\r\n"]).encode("latin-1"), body, self._keep)

    @abc.abstractmethod
    def write(self, head: bytes, body: bytes, keep: bool) -> None:
        """Sends an answer, and closes the connection where it is not to be kept."""

    # -- from the parser --

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._pieces: list[bytes] = []

    def on_url(self, piece: bytes) -> None:
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._keep = self._parser.should_keep_alive()
        what = self._parser.get_method().decode(), self._target.decode("latin-1")
        self.requests.append(Request(self, what, self._headers, b"".join(self._pieces)))


def error_in(body: bytes) -> str:
    """What an instance says that reports an error."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        told = json.loads(body)
        return f"{told['errorType']}: {told['errorMessage']}"
    return body.decode(errors="replace")


def invocation_headers(request_id: str, timeout_s: float) -> dict[str, str]:
    """What an instance is told of its invocation beside the event, which it has so long to answer.

    The deadline is told in ms since the epoch.
    """
    return JSON | {
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout_s) * 1e3)),
        "Lambda-Runtime-Invoked-Function-Arn": _ARN,
    }


def outcomes(request_id: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """How an instance says that it has answered that invocation, and how that it has failed."""
    path = f"{ROOT}/invocation/{request_id}"
    return ("POST", f"{path}/response"), ("POST", f"{path}/error")


class _Caller(Connection):
    """A connection of an instance."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__()
        self.connection = connection

    def receive(self) -> bool:
        """Takes what is there; False when no more will come.

        Raises:
            StartError: it is no HTTP.
        """
        try:
            data = self.connection.recv(1 << 20)
            self.feed(data)
        except OSError:
            return False
        except httptools.HttpParserError:
            raise StartError(f"this is no request to the Runtime API: {data[:200]!r}") from None
        return bool(data)

    def write(self, head: bytes, body: bytes, keep: bool) -> None:
        self.connection.sendall(head + body)


class RuntimeApi:
    """What one instance finds at `AWS_LAMBDA_RUNTIME_API`."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self.listener, select.EPOLLIN)
        self._callers: dict[int, _Caller] = {}
        self.address = f"{HOST}:{self.listener.getsockname()[1]}"

    def fileno(self) -> int:
        """Becomes readable when the instance has connected, said something, or gone."""
        return self._poll.fileno()

    def hear(self, wait: Callable[[], None]) -> Request:
        """The next request.

        Args:
            wait: returns when `fileno` is readable, or raises.

        Raises:
            StartError: what came is none.
        """
        while True:
            for caller in self._callers.values():
                if caller.requests:
                    return caller.requests.popleft()
            wait()
            for fd, _ in self._poll.poll(0):
                if fd == self.listener.fileno():
                    self._accept()
                elif not self._callers[fd].receive():
                    self._callers.pop(fd).connection.close()  # which ends its registration

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            connection.settimeout(_SENDING_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._callers[connection.fileno()] = _Caller(connection)
            self._poll.register(connection, select.EPOLLIN)

    def close(self) -> None:
        """Also of the instance's connections. May be called again."""
        self.listener.close()
        for caller in self._callers.values():
            caller.connection.close()
        self._callers.clear()
        self._poll.close()
