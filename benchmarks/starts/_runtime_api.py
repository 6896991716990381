"""AWS's Runtime API, version 2018-06-01: an instance asks here for its next invocation.

HTTP on the loopback, a listener for each instance, whose address only that instance is told.
`RuntimeApi` runs in the process that measures, without threads: nothing happens but in `hear`.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.starts.base import StartError

HOST = "127.0.0.1"
ROOT = "/2018-06-01/runtime"
NEXT = ("GET", f"{ROOT}/invocation/next")
INIT_ERROR = ("POST", f"{ROOT}/init/error")
LARGEST_BYTES = 128 << 20  # of a message, in base64 in JSON
LARGEST_HEAD_BYTES = 2 << 20  # of the errors that it posts awslambdaric puts up to 1 MiB there
_REASONS = {200: "OK", 202: "Accepted"}
_ARN = "arn:aws:lambda:us-east-1:000000000000:function:aetherless"


@dataclass(slots=True)
class Caller:
    """A connection of the instance."""

    connection: socket.socket
    arrived: bytearray = field(default_factory=bytearray)

    def receive(self) -> bool:
        """Takes what is there; False when no more will come."""
        try:
            more = self.connection.recv(1 << 20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.arrived += more
        return bool(more)

    def request(self) -> Request | None:
        """The next whole request, None until there is one.

        Raises:
            StartError: it is none that this API knows.
        """
        head_bytes = self.arrived.find(b"\r\n\r\n")
        if head_bytes < 0 and len(self.arrived) < LARGEST_HEAD_BYTES:
            return None
        first, *lines = self.arrived[: max(0, head_bytes)].decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = headers.get("content-length", "0")
        words = first.split(" ")
        if (
            len(words) != 3
            or "transfer-encoding" in headers
            or not (length.isascii() and length.isdigit())
            or int(length) > LARGEST_BYTES
        ):
            raise StartError(f"this is no request to the Runtime API: {first[:200]!r}")
        whole = head_bytes + 4 + int(length)
        if len(self.arrived) < whole:
            return None
        body = bytes(self.arrived[head_bytes + 4 : whole])
        del self.arrived[:whole]
        return Request(self, (words[0], words[1]), body)


@dataclass(frozen=True, slots=True)
class Request:
    """What the instance wants, and where it waits for the answer."""

    caller: Caller
    what: tuple[str, str]
    body: bytes


def error_in(body: bytes) -> str:
    """What an instance says that reports an error."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        told = json.loads(body)
        return f"{told['errorType']}: {told['errorMessage']}"
    return body.decode(errors="replace")


def invocation_headers(request_id: str, deadline_ms: int) -> dict[str, str]:
    """What an instance is told of its invocation beside the event.

    Args:
        request_id: of the invocation.
        deadline_ms: when it must be answered, in ms since the epoch.
    """
    return {
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": _ARN,
    }


def outcomes(request_id: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """How an instance says that it has answered that invocation, and how that it has failed."""
    path = f"{ROOT}/invocation/{request_id}"
    return ("POST", f"{path}/response"), ("POST", f"{path}/error")


class RuntimeApi:
    """What one instance finds at `AWS_LAMBDA_RUNTIME_API`."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HOST, 0))
        self.listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self.listener, select.EPOLLIN)
        self._callers: dict[int, Caller] = {}
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
                if request := caller.request():
                    return request
            wait()
            for fd, _ in self._poll.poll(0):
                if fd == self.listener.fileno():
                    self._accept()
                elif not self._callers[fd].receive():
                    self._callers.pop(fd).connection.close()  # which ends its registration

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            connection, _ = self.listener.accept()
            connection.setblocking(True)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._callers[connection.fileno()] = Caller(connection)
            self._poll.register(connection, select.EPOLLIN)

    def close(self) -> None:
        """Also of the instance's connections. May be called again."""
        self.listener.close()
        for caller in self._callers.values():
            caller.connection.close()
        self._callers.clear()
        self._poll.close()


def response(status: int, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """An answer, as bytes."""
    lines = [
        f"HTTP/1.1 {status} {_REASONS[status]}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


ACCEPTED_STATUS, ACCEPTED_BODY = 202, b'{"status":"OK"}'
ACCEPTED = response(ACCEPTED_STATUS, ACCEPTED_BODY)
