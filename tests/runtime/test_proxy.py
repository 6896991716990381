"""The proxy against real servers: good ones, and such as do what they must not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from aetherless_py import errors
from aetherless_py.runtime.proxy import HEAD_LIMIT_BYTES, Proxy, ProxyResponse
from aetherless_py.start.base import Function
from aetherless_py.start.executable import Executable
from aetherless_py.start.http_instance import HttpInstance

OK = b"HTTP/1.1 200 OK\r\n"
LIMIT_BYTES = 4 << 20
WATCHDOG_S = 60.0

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(params=["asyncio", "uvloop"], autouse=True)
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything on both event loops."""
    if request.param == "uvloop":
        monkeypatch.setattr(asyncio, "run", uvloop.run)


class Upstream:
    """A server that does what a test says, and remembers what it was asked.

    Attributes:
        port: on which it listens.
        connections: how many it has accepted.
        requests: the heads and bodies that it has read.
    """

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.requests: list[tuple[bytes, bytes]] = []
        self._served: set[asyncio.Task[None]] = set()

    async def read(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        head = await reader.readuntil(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
        self.requests.append((head, await reader.readexactly(size)))
        return self.requests[-1]

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._served.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def __aenter__(self) -> Upstream:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._served:
            task.cancel()
        await asyncio.gather(*self._served, return_exceptions=True)


@contextlib.asynccontextmanager
async def upstream(*said: bytes, close: bool = False) -> AsyncIterator[Upstream]:
    """One that answers each request, on any connection, with the next of these; the last stays."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await made.read(reader)
            writer.write(said[min(len(made.requests), len(said)) - 1])
            await writer.drain()
            if close:
                return

    made = Upstream(serve)
    async with made:
        yield made


@contextlib.asynccontextmanager
async def proxied(idle_s: float = 4.0) -> AsyncIterator[Proxy]:
    made = Proxy(LIMIT_BYTES, idle_s)
    try:
        async with asyncio.timeout(WATCHDOG_S):
            yield made
    finally:
        await made.close()


async def ask(
    made: Proxy,
    port: int,
    method: str = "GET",
    target: bytes = b"/",
    headers: Any = (),
    body: Any = b"",
    timeout_s: float = WATCHDOG_S,
) -> ProxyResponse:
    return await made.forward(port, method, target, headers, body, timeout_s, "192.0.2.7")


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def answered(said: bytes, *, close: bool = False, method: str = "GET") -> ProxyResponse:
    """What the proxy makes of those bytes."""

    async def test() -> ProxyResponse:
        async with upstream(said, close=close) as server, proxied() as made:
            return await ask(made, server.port, method)

    return asyncio.run(test())


@pytest.mark.parametrize(
    ("said", "close", "status", "headers", "body"),
    [
        (OK + b"Content-Length: 2\r\n\r\nhi", False, 200, [(b"Content-Length", b"2")], b"hi"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\n\r\n", False, 200,
         [], b"hi"),
        (OK + b"Trailer: T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: x\r\n\r\n",
         False, 200, [], b"hi"),
        (OK + b"\r\nup to the end", True, 200, [], b"up to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", True, 200, [], b"old"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", False, 204, [], b""),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n", False, 304,
         [(b"Content-Length", b"9"), (b"ETag", b"x")], b""),
        (b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", False, 302,
         [(b"Location", b"/other"), (b"Content-Length", b"0")], b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
         + OK + b"Content-Length: 2\r\n\r\nhi", False, 200, [(b"Content-Length", b"2")], b"hi"),
        (OK + b"Set-Cookie: a\r\nSet-Cookie: b\r\nset-cookie:\tc \t\r\nEmpty:\r\nRaw: \xe9\xff\r\n"
         b"Content-Length: 0\r\n\r\n", False, 200,
         [(b"Set-Cookie", b"a"), (b"Set-Cookie", b"b"), (b"set-cookie", b"c"), (b"Empty", b""),
          (b"Raw", b"\xe9\xff"), (b"Content-Length", b"0")], b""),
        (OK + b"Connection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nUpgrade: h2c\r\n"
         b"Content-Length: 0\r\n\r\n", False, 200, [(b"Content-Length", b"0")], b""),
        (OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw", False, 200,
         [(b"Content-Encoding", b"gzip"), (b"Content-Length", b"3")], b"raw"),
    ],
)  # fmt: skip
def test_an_answer_is_passed_on_as_it_is(
    said: bytes, close: bool, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    found = answered(said, close=close)
    assert (found.status, found.headers, found.body) == (status, headers, body)


@pytest.mark.parametrize(
    "extra", [b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b""]
)
def test_an_answer_to_head_has_no_body(extra: bytes) -> None:
    found = answered(OK + b"X: y\r\n" + extra + b"\r\n", method="HEAD")
    assert (found.status, found.body) == (200, b"")
    assert (b"Content-Length", b"9") in found.headers or b"Length" not in extra


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"", errors.UpstreamGone),
        (b"HTTP/1.1 200", errors.UpstreamGone),
        (OK + b"Content-Length: 9\r\n\r\nhalf", errors.UpstreamGone),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf", errors.UpstreamGone),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", errors.UpstreamGone),
        (b"HTTP/1.1 100 Continue\r\n\r\n", errors.UpstreamGone),
        (b"garbage\r\n\r\n", errors.UpstreamMalformed),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", errors.UpstreamMalformed),
        (b"GET / HTTP/1.1\r\n\r\n", errors.UpstreamMalformed),
        (b"HTTP/1.1 2000 OK\r\n\r\n", errors.UpstreamMalformed),
        (b"HTTP/1.1 99 OK\r\n\r\n", errors.UpstreamMalformed),
        (b"HTTP/1.1 999 OK\r\nContent-Length: 0\r\n\r\n", errors.UpstreamMalformed),
        (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", errors.UpstreamMalformed),
        (OK.replace(b"\r\n", b"\n") + b"\n", errors.UpstreamMalformed),
        (OK + b"X : y\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"X: y\r\n folded\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"X: \0\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"Transfer-Encoding: gzip\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"Content-Length: -1\r\n\r\n", errors.UpstreamMalformed),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nx\r\n", errors.UpstreamMalformed),
        (OK + b"X: " + b"y" * HEAD_LIMIT_BYTES + b"\r\n\r\n", errors.UpstreamTooLarge),
        (OK + b"X: y\r\n" * HEAD_LIMIT_BYTES, errors.UpstreamTooLarge),
        (OK + b"X: " + b"y" * (16 << 20), errors.UpstreamTooLarge),
        (b"HTTP/1.1 102 Wait\r\n\r\n" * HEAD_LIMIT_BYTES, errors.UpstreamTooLarge),
        (OK + b"Content-Length: %d\r\n\r\n" % (LIMIT_BYTES + 1) + b"x" * (LIMIT_BYTES + 1),
         errors.UpstreamTooLarge),
        (OK + b"\r\n" + b"x" * (LIMIT_BYTES + 1), errors.UpstreamTooLarge),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"4\r\nabcd\r\n" * (1 + LIMIT_BYTES // 4),
         errors.UpstreamTooLarge),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * HEAD_LIMIT_BYTES,
         errors.UpstreamTooLarge),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_an_error(said: bytes, kind: type[Exception]) -> None:
    with pytest.raises(errors.UpstreamError) as raised:
        answered(said, close=True)
    assert raised.type is kind


def test_a_body_of_exactly_the_limit_passes() -> None:
    said = OK + b"Content-Length: %d\r\n\r\n" % LIMIT_BYTES + b"x" * LIMIT_BYTES
    assert answered(said).body == b"x" * LIMIT_BYTES


def test_a_request_is_passed_on_as_it_is() -> None:
    async def test() -> None:
        async with upstream(OK + b"Content-Length: 0\r\n\r\n") as server, proxied() as made:
            target = b"/a%2fb/../c//;d?x=%zz&y={|}&z=\xe9\xff#"
            await ask(
                made, server.port, "M-sEaRcH", target,
                [
                    (b"Host", b"example.com:8080"), (b"X", b"\xe9\xff"), (b"x", b"2"),
                    (b"Cookie", b"a=b"), (b"Accept-Encoding", b"br"),
                    (b"Connection", b"keep-alive, X-Hop"), (b"connection", b"host, Content-Length"),
                    (b"X-Hop", b"1"), (b"Keep-Alive", b"1"), (b"Proxy-Connection", b"1"),
                    (b"Proxy-Authorization", b"1"), (b"TE", b"trailers"), (b"Upgrade", b"h2c"),
                    (b"Transfer-Encoding", b"chunked"), (b"Expect", b"100-continue"),
                    (b"Forwarded", b"for=x"),
                ],
                [b"a", bytearray(b"b"), memoryview(b"c")],
            )  # fmt: skip
            [(head, body)] = server.requests
            assert head == (
                b"M-sEaRcH " + target + b" HTTP/1.1\r\n"
                b"Host: example.com:8080\r\nX: \xe9\xff\r\nx: 2\r\nCookie: a=b\r\n"
                b"Accept-Encoding: br\r\nForwarded: for=x\r\n"
                b"x-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: http\r\n"
                b"x-forwarded-host: example.com:8080\r\nContent-Length: 3\r\n\r\n"
            )
            assert body == b"abc"

    run(test)


def test_who_stands_in_front_is_named_first() -> None:
    async def test() -> None:
        async with upstream(OK + b"Content-Length: 0\r\n\r\n") as server, proxied() as made:
            headers = [
                (b"X-Forwarded-For", b"198.51.100.1"), (b"x-forwarded-for", b"198.51.100.2"),
                (b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-Host", b"example.org"),
            ]  # fmt: skip
            await ask(made, server.port, headers=headers)
            assert server.requests[0][0] == (
                b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: example.org\r\n"
                b"x-forwarded-for: 198.51.100.1, 198.51.100.2, 192.0.2.7\r\n\r\n"
            )

    run(test)


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET /x HTTP/1.1\r\n", b"/", []),
        ("", b"/", []),
        ("GET", b"", []),
        ("GET", b"/ HTTP/1.1", []),
        ("GET", b"/\r\n", []),
        ("GET", b"/", [(b"X", b"y\r\nZ: 1")]),
        ("GET", b"/", [(b"X\n", b"y")]),
        ("GET", b"/", [(b"X", b"\0")]),
    ],
)
def test_a_request_cannot_hold_another_one(
    method: str, target: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    async def test() -> None:
        async with upstream(OK + b"Content-Length: 0\r\n\r\n") as server, proxied() as made:
            with pytest.raises(ValueError, match="not HTTP"):
                await ask(made, server.port, method, target, headers)
            assert not server.connections

    run(test)


def test_connections_are_kept_and_used_again() -> None:
    async def test() -> None:
        body = os.urandom(1 << 20)
        said = OK + b"Content-Length: %d\r\n\r\n" % len(body) + body
        async with upstream(said) as server, proxied() as made:
            for method in ("GET", "POST", "POST"):
                assert (await ask(made, server.port, method, body=body)).body == body
            assert [len(got) for _, got in server.requests] == [1 << 20] * 3
            assert server.connections == 1
            await asyncio.gather(*(ask(made, server.port) for _ in range(5)))
            assert server.connections <= 5
            await made.forget(server.port)
            await ask(made, server.port)
            assert server.connections <= 6

    run(test)


@pytest.mark.parametrize(
    "said",
    [
        OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"Content-Length: 0\r\n\r\n" + OK + b"Content-Length: 4\r\n\r\nevil",
        OK + b"Content-Length: 0\r\n\r\nmore than that",
    ],
)
def test_a_connection_that_cannot_be_trusted_any_more_is_not_kept(said: bytes) -> None:
    async def test() -> None:
        async with upstream(said) as server, proxied() as made:
            for _ in range(3):
                assert (await ask(made, server.port)).body == b""
            assert server.connections == 3

    run(test)


def test_the_body_of_an_answer_to_head_is_no_answer_to_the_next_request() -> None:
    async def test() -> None:
        said = [OK + b"Content-Length: 4\r\n\r\nevil", OK + b"Content-Length: 4\r\n\r\ngood"]
        async with upstream(*said) as server, proxied() as made:
            assert (await ask(made, server.port, "HEAD")).body == b""
            assert (await ask(made, server.port)).body == b"good"
            assert server.connections == 2

    run(test)


def test_what_comes_unasked_on_a_kept_connection_is_no_answer() -> None:
    async def test() -> None:
        unasked = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            writer.write(OK + b"Content-Length: 4\r\n\r\ngood")
            await unasked.wait()
            writer.write(OK + b"Content-Length: 4\r\n\r\nevil")
            await reader.read()

        server = Upstream(serve)
        async with server, proxied() as made:
            assert (await ask(made, server.port)).body == b"good"
            unasked.set()
            await asyncio.sleep(0.1)
            assert (await ask(made, server.port)).body == b"good"
            assert server.connections == 2

    run(test)


def test_a_kept_connection_that_was_closed_is_not_used() -> None:
    """Even if the event loop has not come to its end: nothing runs between that and a request."""

    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            async with proxied() as made:
                for _ in range(3):
                    asked = asyncio.create_task(ask(made, port, "POST", body=b"x"))
                    connection = await asyncio.to_thread(lambda: listener.accept()[0])
                    await asyncio.to_thread(connection.recv, 65536)
                    connection.sendall(OK + b"Content-Length: 0\r\n\r\n")
                    assert (await asked).status == 200
                    connection.close()

    run(test)


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
def test_a_request_whose_connection_breaks_is_not_sent_again(method: str) -> None:
    """A kept connection is closed when the second request has come."""

    async def test() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            if len(server.requests) == 1:
                writer.write(OK + b"Content-Length: 0\r\n\r\n")
                await server.read(reader)

        server = Upstream(serve)
        async with server, proxied() as made:
            await ask(made, server.port, method, body=b"first")
            with pytest.raises(errors.UpstreamGone, match="closed the connection"):
                await ask(made, server.port, method, body=b"second")
            await asyncio.sleep(0.1)
            assert [body for _, body in server.requests] == [b"first", b"second"]
            assert server.connections == 1

    run(test)


def test_a_connection_that_is_reset_is_gone() -> None:
    async def test() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            writer.write(OK + b"\r\nup to the end, which does not come")
            at_once = struct.pack("ii", 1, 0)  # a reset instead of an end
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

        server = Upstream(serve)
        async with server, proxied() as made:
            with pytest.raises(errors.UpstreamGone, match="closed the connection"):
                await ask(made, server.port)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with proxied() as made:
            with pytest.raises(errors.UpstreamGone, match="no connection"):
                await ask(made, port)

    run(test)


@pytest.mark.parametrize("said", [b"", OK, OK + b"Content-Length: 9\r\n\r\nhalf"])
def test_an_answer_that_does_not_come_in_time(said: bytes) -> None:
    async def test() -> None:
        async with upstream(said) as server, proxied() as made:
            with pytest.raises(errors.UpstreamTimeout):
                await ask(made, server.port, timeout_s=0.2)
            with pytest.raises(errors.UpstreamTimeout):
                await ask(made, server.port, timeout_s=0.2)
            assert server.connections == 2  # none was kept

    run(test)


def test_a_slow_answer_comes_whole() -> None:
    async def test() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            for byte in OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n":
                writer.write(bytes([byte]))
                await asyncio.sleep(0.002)

        server = Upstream(serve)
        async with server, proxied() as made:
            assert (await ask(made, server.port)).body == b"hi"

    run(test)


def test_an_answer_before_the_request_was_read_is_passed_on() -> None:
    async def test() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            await reader.read()

        server = Upstream(serve)
        async with server, proxied() as made:
            for _ in range(2):
                found = await ask(made, server.port, "POST", body=bytes(64 << 20))
                assert found.status == 413
            assert server.connections == 2

    run(test)


def test_one_that_gives_up_leaves_its_connection_to_nobody() -> None:
    async def test() -> None:
        async with upstream(b"", OK + b"Content-Length: 2\r\n\r\nhi") as server, proxied() as made:
            asked = asyncio.create_task(ask(made, server.port))
            while not server.requests:
                await asyncio.sleep(0.01)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked
            assert (await ask(made, server.port)).body == b"hi"
            assert server.connections == 2

    run(test)


def test_what_is_asked_of_an_instance_that_is_forgotten_is_gone() -> None:
    async def test() -> None:
        async with upstream(b"") as server, proxied() as made:
            asked = [asyncio.create_task(ask(made, server.port)) for _ in range(3)]
            while len(server.requests) < 3:
                await asyncio.sleep(0.01)
            connecting = asyncio.create_task(ask(made, server.port))
            await asyncio.sleep(0)  # it has begun to connect
            await made.forget(server.port)
            found = await asyncio.gather(*asked, connecting, return_exceptions=True)
            assert [type(each) for each in found] == [errors.UpstreamGone] * 4
            await made.forget(server.port)

    run(test)


def test_a_connection_that_nobody_uses_is_closed() -> None:
    async def test() -> None:
        ends = asyncio.Semaphore(0)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read(reader)
            writer.write(OK + b"Content-Length: 0\r\n\r\n")
            await reader.read()
            ends.release()

        server = Upstream(serve)
        async with server, proxied(idle_s=0.1) as made:
            for _ in range(2):
                await asyncio.gather(*(ask(made, server.port) for _ in range(3)))
                for _ in range(3):
                    await ends.acquire()
            assert server.connections == 6

    run(test)


def test_node_behind_the_proxy() -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node here; tools/install_runtimes.sh node brings it")
    script = Path(__file__).parents[1] / "start" / "functions" / "handler.js"

    async def test(instance: HttpInstance) -> None:
        async with proxied() as made:
            for body in (b"", os.urandom(1 << 20), b"x"):
                headers = [(b"Host", b"x"), (b"Expect", b"100-continue")]
                found = await ask(made, instance.port, "POST", b"/a%2Fb?c", headers, body)
                assert (found.status, found.body) == (200, body)
                assert dict(found.headers)[b"X-Asked"] == b"POST /a%2Fb?c"
            found = await ask(made, instance.port, "HEAD", headers=[(b"Host", b"x")])
            assert (found.status, found.body) == (200, b"")
            await asyncio.to_thread(instance.stop)
            with pytest.raises(errors.UpstreamGone):
                await ask(made, instance.port, headers=[(b"Host", b"x")])

    with Executable() as made:
        made.prepare(Function(command=("node", str(script)), ready_timeout_s=60))
        instance = made.start()
        assert isinstance(instance, HttpInstance)
        asyncio.run(test(instance))
