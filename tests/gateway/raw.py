"""Bytes to and from a gateway, without a client that would mend them."""

from __future__ import annotations

import socket
from typing import Self

from tests.gateway.up import WATCHDOG_S, Answer, Up


class Raw:
    """A connection; what comes is read as answers of HTTP/1.1, nothing else."""

    def __init__(self, port: int, *, receive_bytes: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.settimeout(WATCHDOG_S)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def _more(self) -> None:
        data = self.socket.recv(1 << 16)
        assert data, f"closed in the middle of an answer, after {self._read[:200]!r}"
        self._read += data

    def answer(self, method: str = "GET") -> Answer:
        """The next answer: final, or a 1xx."""
        while b"\r\n\r\n" not in self._read:
            self._more()
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        line, *rest = head.decode("latin-1").split("\r\n")
        version, status, _ = line.split(" ", 2)
        assert version == "HTTP/1.1"
        headers = {}
        for each in rest:
            name, colon, value = each.partition(": ")
            assert colon and name not in headers, f"{each!r} in {head!r}"
            headers[name] = value
        if status[0] == "1" or status in ("204", "304"):  # RFC 9110, section 8.6
            assert "content-length" not in headers, head
            return Answer(int(status), headers, b"")
        length = 0 if method == "HEAD" else int(headers["content-length"])
        while len(self._read) < length:
            self._more()
        body, self._read = self._read[:length], self._read[length:]
        return Answer(int(status), headers, body)

    def assert_closed(self) -> None:
        """The other side has said all."""
        assert not self._read, self._read[:200]
        data = self.socket.recv(1)
        assert data == b"", data

    def closed(self) -> bool:
        """Whether the other side has ended it, in whichever way; waits for one or the other."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True


def get(path: str = "/healthz", *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A good request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def assert_unharmed(runtime: Up) -> None:
    """Others are served, and nothing went wrong where nobody looks."""
    assert runtime.ask("/healthz").status == 200
    assert runtime.process.poll() is None
    said = runtime.stderr()
    assert "Traceback" not in said and "xception" not in said and "Error" not in said, said
