"""Slow, silent, half-closed and vanishing clients: each is dealt with, and nobody else waits."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import struct
import threading
import time
from pathlib import Path

import psutil
import pytest
import uvloop

from aetherless_py.gateway.connection import Connection, HttpRequest, Settings
from tests.gateway.conftest import Start
from tests.gateway.raw import Raw, assert_unharmed, get
from tests.gateway.up import WATCHDOG_S, Up, eventually

SOON_S = 0.3  # a time-out that tests need not wait long for; each waits until it is over
LARGE = (4 << 20) - (200 << 10)


def trickle(connection: Raw, data: bytes) -> None:
    """Sends a byte at a time, for ever, until the other side has had enough."""
    with contextlib.suppress(OSError):
        for at in range(1 << 20):
            connection.send(data[at % len(data) :][:1])
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("begin", "then"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
        (
            b"POST /function/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n",
            b"x",
        ),
        (
            b"POST /function/echo HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1\r\nx\r\n",
        ),
    ],
    ids=["head", "body", "chunks"],
)
def test_a_slow_request_is_over_when_its_time_is(up: Start, begin: bytes, then: bytes) -> None:
    runtime = up({"id": "echo"}, request_timeout_s=SOON_S)
    with Raw(runtime.port) as silent, Raw(runtime.port) as slow:
        silent.send(begin)  # and nothing more
        slow.send(begin)
        thread = threading.Thread(target=trickle, args=(slow, then))
        thread.start()
        for connection in (silent, slow):
            answer = connection.answer()  # RFC 9110, section 15.5.9
            assert (answer.status, answer.headers["connection"]) == (408, "close")
            connection.assert_closed()
        slow.socket.close()
        thread.join()
    assert_unharmed(runtime)


def test_one_that_never_says_anything_is_closed_without_a_word(up: Start) -> None:
    runtime = up({"id": "echo"}, request_timeout_s=SOON_S)
    with Raw(runtime.port) as nothing, Raw(runtime.port) as line_ends:
        line_ends.send(b"\r\n\r\n")
        nothing.assert_closed()
        line_ends.assert_closed()
    assert_unharmed(runtime)


def test_an_idle_connection_is_closed() -> None:
    """In this process: a runtime waits too long for a test."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        settings = Settings(1 << 20, request_timeout_s=1e6, idle_timeout_s=SOON_S)

        def app(request: HttpRequest) -> None:
            request.respond(200, [], b"x")

        server = await loop.create_server(lambda: Connection(app, settings), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(get())
        await reader.readuntil(b"\r\n\r\nx")
        [connection] = settings.connections
        connection.check_time(loop.time())  # not yet
        assert settings.connections
        connection.check_time(loop.time() + 2 * SOON_S)
        assert await asyncio.wait_for(reader.read(), WATCHDOG_S) == b""
        assert not settings.connections
        writer.close()
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def test_a_request_that_waits_for_the_ones_before_is_not_slow(up: Start) -> None:
    """The gateway stops reading behind so many requests: the rest cannot come in time."""
    runtime = up({"id": "does"}, {"id": "echo"}, request_timeout_s=SOON_S)
    body = os.urandom(3 << 20)
    with Raw(runtime.port) as connection:
        sent = threading.Thread(
            target=connection.send,
            args=(
                get("/function/does?do=sleep&value=3")
                + get("/function/does") * 20
                + get("/function/echo", "Content-Type: x/y", method="POST", body=body),
            ),
        )
        sent.start()
        for _ in range(21):
            assert connection.answer().status == 200
        assert connection.answer().body == body
        sent.join()


def test_the_answer_is_whole_after_a_half_close(up: Start) -> None:
    runtime = up({"id": "does"}, {"id": "echo"}, request_timeout_s=600)
    with Raw(runtime.port) as connection:
        connection.send(get("/function/does?do=sleep&value=0.2") + get("/function/does"))
        connection.half_close()
        assert [connection.answer().status for _ in range(2)] == [200, 200]
        connection.assert_closed()
    body = os.urandom(LARGE // 4 * 3)
    with Raw(runtime.port, receive_bytes=1 << 16) as connection:
        connection.send(get("/function/echo", "Content-Type: x/y", method="POST", body=body))
        connection.half_close()
        assert connection.answer().body == body
        connection.assert_closed()
    with Raw(runtime.port) as connection:  # one that is answered at once
        connection.send(get())
        connection.half_close()
        assert connection.answer().status == 200
        connection.assert_closed()
    assert_unharmed(runtime)


@pytest.mark.parametrize("before", [b"", get("/function/does?do=sleep&value=0.2")])
def test_half_a_request_and_no_more_is_a_bad_one(up: Start, before: bytes) -> None:
    runtime = up({"id": "does"}, request_timeout_s=600)
    for half in (
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /function/does HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nabc",
        b"POST /function/does HTTP/1.1\r\nHost:\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc",
    ):
        with Raw(runtime.port) as connection:
            connection.send(before + half)
            connection.half_close()
            if before:
                assert connection.answer().status == 200
            assert connection.answer().status == 400  # RFC 9112, section 8
            connection.assert_closed()
    assert_unharmed(runtime)


def reset(connection: Raw) -> None:
    """Closes with a RST."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.close()


def test_clients_that_vanish(up: Start) -> None:
    runtime = up({"id": "does"}, {"id": "echo"})
    before = descriptors(runtime)
    for _ in range(20):
        for data in (
            b"",
            b"GET /hea",
            get("/function/echo", "Content-Length: 1000000", method="POST") + b"x" * 9999,
            get("/function/does?do=sleep&value=0.01"),
            get("/function/echo", "Content-Type: x/y", method="POST", body=bytes(1 << 20)),
            get("/function/does") * 50,
        ):  # fmt: skip
            connection = Raw(runtime.port)
            connection.send(data)
            reset(connection)
    assert runtime.ask("/function/does").status == 200
    eventually(lambda: descriptors(runtime) <= before + instance_descriptors(runtime))
    # In the middle of an answer.
    with Raw(runtime.port, receive_bytes=4096) as connection:
        connection.send(get("/function/echo", "Content-Type: x/y", body=bytes(3 << 20)))
        connection.socket.recv(1000)
        reset(connection)
    assert_unharmed(runtime)
    eventually(lambda: descriptors(runtime) <= before + instance_descriptors(runtime))


def test_a_request_whose_client_has_left_the_queue_is_given_to_nobody(
    up: Start, tmp_path: Path
) -> None:
    runtime = up({"id": "does"}, max_instances=1)
    go, ran = tmp_path / "go", tmp_path / "ran"
    with Raw(runtime.port) as first:
        first.send(get(f"/function/does?after={go}&count={ran}"))
        eventually(ran.exists)
        left = [Raw(runtime.port) for _ in range(3)]
        for connection in left:
            connection.send(get(f"/function/does?count={ran}"))
        eventually(lambda: runtime.state()[0]["queue"] == 3)
        for connection in left:
            reset(connection)  # who closes without it may still be reading
        eventually(lambda: runtime.state()[0]["queue"] == 0)
        go.touch()
        assert first.answer().status == 200
    assert runtime.ask("/function/does").status == 200
    assert ran.read_text() == "x\n"
    metrics = runtime.ask("/metrics").body.decode()
    assert re.search(r'aetherless_requests_total\{.*status="499"\} 3\.0', metrics), metrics


def test_connections_beyond_the_limit_are_refused(up: Start) -> None:
    runtime = up({"id": "does"}, max_connections=4)
    held = [Raw(runtime.port) for _ in range(4)]
    for connection in held:
        connection.send(get())
        assert connection.answer().status == 200
    with Raw(runtime.port) as beyond:
        refused = beyond.answer()
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        beyond.half_close()
        beyond.assert_closed()
    assert runtime.run("list").returncode == 0  # whoever controls it is no client
    held.pop().__exit__()
    eventually(lambda: runtime.ask("/healthz").status == 200)
    for connection in held:
        connection.send(get())
        assert connection.answer().status == 200
        connection.__exit__()


def descriptors(runtime: Up) -> int:
    return psutil.Process(runtime.process.pid).num_fds()


def instance_descriptors(runtime: Up) -> int:
    """What its instances may have open in the runtime: their connection, output, channel."""
    return 8 * sum(len(each["instances"]) for each in runtime.state())


def test_a_client_that_never_reads_is_ended(up: Start) -> None:
    runtime = up({"id": "echo"}, request_timeout_s=SOON_S)
    body = bytes(LARGE // 4 * 3)
    runtime.ask("/function/echo", body, headers={"content-type": "x/y"})
    process = psutil.Process(runtime.process.pid)
    before = process.memory_info().rss
    request = get("/function/echo", "Content-Type: x/y", method="POST", body=body)
    # More answers than one, asked for in one go: only so many are made as somebody reads.
    with Raw(runtime.port, receive_bytes=4096) as connection:
        with contextlib.suppress(ConnectionError):
            connection.send(request * 20)
        assert runtime.ask("/function/echo", b"x").status == 200
        held = process.memory_info().rss - before
        assert held < 40 << 20, held
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        with contextlib.suppress(ConnectionError):
            while connection.socket.recv(1 << 20):
                pass
    # One whose last answer lies partly in the gateway, below what counts as stuck: 1.0 closes.
    alive = len(process.net_connections())
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(Raw(runtime.port, receive_bytes=4096))
            connection.send(
                request.replace(b"Host: localhost", b"Host: localhost\r\nConnection: close")
            )
        eventually(lambda: len(process.net_connections()) <= alive)
    assert_unharmed(runtime)


def test_two_hundred_idle_connections_cost_the_working_one_nothing(up: Start) -> None:
    runtime = up({"id": "noop"}, {"id": "echo"})
    with contextlib.ExitStack() as stack, Raw(runtime.port) as working:
        working.send(get("/function/noop"))
        assert working.answer().status == 200
        before = descriptors(runtime)
        idle = [stack.enter_context(Raw(runtime.port)) for _ in range(200)]
        for connection in idle[:100]:
            connection.send(b"POST /function/echo HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(1000):  # and one connection carries any number
            working.send(get("/function/noop"))
            assert working.answer().status == 200
        assert descriptors(runtime) >= before + 200
        for connection in idle:
            connection.socket.close()
        # Beside them it may open what the next instance's channel needs.
        eventually(lambda: descriptors(runtime) <= before + 8)
    [instance] = runtime.instances()
    assert instance["served"] == 1001


def test_answers_that_have_no_body(up: Start) -> None:
    runtime = up({"id": "does"})
    with Raw(runtime.port) as connection:  # `Raw` holds what follows against their lengths
        for method, status in (("GET", 204), ("GET", 205), ("GET", 304), ("HEAD", 200)):
            connection.send(get(f"/function/does?do=answer&value={status}", method=method))
            answer = connection.answer(method)
            assert (answer.status, answer.body, answer.headers["x-own"]) == (status, b"", "yes")
            # RFC 9110, section 15.3.6: there is none, and that is said.
            assert answer.headers.get("content-length") == {200: "3", 205: "0"}.get(status)
        connection.send(get("/function/none", method="HEAD"))
        assert connection.answer("HEAD").status == 404
        connection.send(get())
        assert connection.answer().status == 200


def test_a_body_beyond_the_limit_is_refused_however_it_comes(up: Start) -> None:
    runtime = up({"id": "echo"}, max_body_bytes=1 << 20)
    url = "/function/echo"
    most = bytes(1 << 20)
    assert runtime.ask(url, most, headers={"content-type": "x/y"}).body == most
    chunks = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    chunked = get(url, "Transfer-Encoding: chunked", "Content-Type: x/y", method="POST")
    with Raw(runtime.port) as connection:
        connection.send(chunked + chunks * 16 + b"0\r\n\r\n")
        assert connection.answer().body == most
    # All of it is sent before the answer is read, as many clients do: it must not be lost.
    for data in (
        get(url, method="POST", body=most + b"x"),
        get(url, method="POST", body=most * 20),
        chunked + chunks * 16 + b"1\r\nx\r\n0\r\n\r\n",
        chunked + chunks * 400,
    ):
        with Raw(runtime.port) as connection:
            connection.send(data)
            connection.send(get())
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (413, "close")
            connection.assert_closed()
    assert runtime.instances()[0]["served"] == 2
    assert_unharmed(runtime)


def test_tiny_chunks_hold_no_more_memory_than_their_bytes(up: Start) -> None:
    runtime = up({"id": "echo"})
    process = psutil.Process(runtime.process.pid)
    chunked = get(
        "/function/echo", "Transfer-Encoding: chunked", "Content-Type: x/y", method="POST"
    )
    assert runtime.ask("/function/echo", b"x" * (1 << 20)).status == 200
    before = process.memory_info().rss
    chunks = 1_000_000
    with Raw(runtime.port) as connection:
        connection.send(chunked + b"2\r\nab\r\n" * chunks)
        connection.send(b"2\r\n")
        # Read to here when somebody else is served afterwards: the loop is one.
        eventually(lambda: not unread(connection))
        assert runtime.ask("/healthz").status == 200
        held = process.memory_info().rss - before
        assert held < 20 << 20, held
        connection.send(b"ab\r\n0\r\n\r\n")
        assert connection.answer().body == b"ab" * (chunks + 1)


def unread(connection: Raw) -> int:
    """Bytes that the other side has not taken yet (SIOCOUTQ counts what is not acknowledged)."""
    import fcntl
    import termios

    left = fcntl.ioctl(connection.socket, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(left, "little")


def test_a_long_answer_is_sent_although_the_runtime_ends(up: Start) -> None:
    # Times that a busy machine cannot reach: that it takes long is what this is about.
    times = {"request_timeout_s": 600, "shutdown_timeout_s": 600}
    runtime = up({"id": "does"}, shm_buffer_size=32 << 20, max_body_bytes=1 << 20, **times)
    size = 8 << 20
    with Raw(runtime.port, receive_bytes=1 << 16) as connection:
        connection.send(get(f"/function/does?do=large&value={size}"))
        assert connection.socket.recv(1) == b"H"
        runtime.process.terminate()
        connection._read = b"H"
        assert len(connection.answer().body) == size + 2
        connection.assert_closed()
