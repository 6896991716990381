"""The local Runtime API that stands in for the one of AWS Lambda."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from aetherless_py.start.readiness import readable
from benchmarks.starts._runtime_api import Request, RuntimeApi
from benchmarks.starts.base import StartError


def _must_be_readable(fd: int) -> None:
    assert readable(fd, 30)


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n",
        b"x" * (3 << 20),
    ],
)
def test_the_runtime_api_refuses_what_is_none(said: bytes) -> None:
    api = RuntimeApi()
    host, port = api.address.split(":")
    try:
        with socket.create_connection((host, int(port))) as caller:
            thread = threading.Thread(target=caller.sendall, args=(said,))
            thread.start()
            with pytest.raises(StartError, match="no request"):
                api.hear(lambda: _must_be_readable(api.fileno()))
            api.close()
            with contextlib.suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
            thread.join()
    finally:
        api.close()


def test_the_runtime_api_hears_requests_in_parts_and_in_turn() -> None:
    api = RuntimeApi()
    host, port = api.address.split(":")

    def hear() -> Request:
        return api.hear(lambda: _must_be_readable(api.fileno()))

    try:
        with socket.create_connection((host, int(port))) as caller:
            post = b"POST /a HTTP/1.1\r\ncontent-length:5\r\n\r\nhello"
            thread = threading.Thread(
                target=lambda: [
                    (caller.sendall(post[at : at + 1]), time.sleep(0.002))  # type: ignore[func-returns-value]
                    for at in range(len(post))
                ]
            )
            thread.start()
            assert (heard := hear()).what == ("POST", "/a")
            assert heard.body == b"hello"
            thread.join()
            caller.sendall(b"GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n")
            assert [hear().what[1] for _ in range(2)] == ["/b", "/c"]
    finally:
        api.close()
