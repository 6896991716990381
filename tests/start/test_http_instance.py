"""Instances that are asked over HTTP."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from aetherless_py import errors
from aetherless_py.start.http_instance import HttpInstance, Port
from aetherless_py.start.instance import Phases, Process
from aetherless_py.start.output import Output


class _Alive(Process):
    """A process that neither ends nor is one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.ended_fd, self._write_fd = os.pipe()

    def end(self) -> None:
        os.close(self.ended_fd)
        os.close(self._write_fd)


HTTP = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (HTTP + b"Content-Length: 1\r\n\r\ny", None, "y"),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n", None, "y"),
        (HTTP + b"Content-Length: 9\r\n\r\ncut", errors.InstanceGoneError, "cut off"),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\n9\r\ncut", errors.InstanceGoneError, "sense"),
        (b"what?\r\n\r\n", errors.InstanceGoneError, "makes no sense"),
        (b"", errors.InstanceGoneError, "before it answered"),
        (HTTP.replace(b"200", b"418") + b"\r\nno", errors.HandlerError, "418: no"),
    ],
)
def test_what_is_said_over_http_is_checked(
    said: bytes, kind: type[Exception] | None, words: str
) -> None:
    port = Port()
    output = Output()
    instance = HttpInstance("id", "mode", _Alive(), port, port.socket, output, Phases(0))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port.number))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\nhello"):
                    asked += connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        if kind is None:
            assert instance.invoke(b"hello", timeout_s=30) == words.encode()
        else:
            with pytest.raises(kind, match=words):
                instance.invoke(b"hello", timeout_s=30)
        thread.join()
    instance.stop(grace_s=0)


def test_a_port_is_nobody_elses() -> None:
    port = Port()
    others = [socket.socket() for _ in range(200)]
    try:
        for other in others:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", 0))
        assert port.number not in {other.getsockname()[1] for other in others}
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port.number))
    finally:
        port.close()
        for other in others:
            other.close()
