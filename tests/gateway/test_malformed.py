"""Malformed and odd requests, as raw bytes: each gets the status that the RFCs ask for."""
# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import json
from typing import NamedTuple

from tests.gateway.conftest import Start
from tests.gateway.raw import Raw, assert_unharmed, get

OPEN, CLOSED = "open", "closed"
HOST = b"Host: a\r\n"
CHUNKED = b"POST /function/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = 70 << 10


class Case(NamedTuple):
    """Bytes, the statuses of the answers to them, and what becomes of the connection.

    After OPEN another request on it must be answered; after CLOSED nothing comes any more.
    """

    name: str
    data: bytes
    statuses: tuple[int, ...]
    after: str
    why: str  # a section of RFC 9112, or of RFC 9110 where that is said


def line(text: bytes, headers: bytes = HOST) -> bytes:
    return text + b"\r\n" + headers + b"\r\n"


def header(text: bytes) -> bytes:
    return b"GET /healthz HTTP/1.1\r\n" + HOST + text + b"\r\n\r\n"


def post(headers: bytes, body: bytes = b"") -> bytes:
    return b"POST /function/echo HTTP/1.1\r\n" + HOST + headers + b"\r\n\r\n" + body


CASES = [
    # The request line.
    Case("nothing but line ends, then a request", b"\r\n\r\n" + get(), (200,), OPEN, "2.2"),
    Case("no version", b"GET /healthz\r\n\r\n", (505,), CLOSED, "RFC 9110, 15.6.6"),
    Case("HTTP/0.9", line(b"GET /healthz HTTP/0.9"), (505,), CLOSED, "RFC 9110, 15.6.6"),
    Case("HTTP/1.2", line(b"GET /healthz HTTP/1.2"), (505,), CLOSED, "RFC 9110, 15.6.6"),
    Case("HTTP/2.0", line(b"GET /healthz HTTP/2.0"), (505,), CLOSED, "RFC 9110, 15.6.6"),
    Case("HTTP/3.0", line(b"GET /healthz HTTP/3.0"), (505,), CLOSED, "RFC 9110, 15.6.6"),
    Case("version in lower case", line(b"GET /healthz http/1.1"), (400,), CLOSED, "2.3"),
    Case("no such protocol", line(b"GET /healthz FTP/1.1"), (400,), CLOSED, "2.3"),
    Case("version without a dot", line(b"GET /healthz HTTP/11"), (400,), CLOSED, "2.3"),
    Case("words after the version", line(b"GET /healthz HTTP/1.1 x"), (400,), CLOSED, "3"),
    Case("a space in the target", line(b"GET /health z HTTP/1.1"), (400,), CLOSED, "3.2"),
    Case("a tab for a space", line(b"GET\t/healthz HTTP/1.1"), (400,), CLOSED, "3"),
    Case("no target", line(b"GET HTTP/1.1"), (400,), CLOSED, "3"),
    Case("a method that nobody knows", line(b"FOO /healthz HTTP/1.1"), (501,), CLOSED, "RFC 9110, 9.1"),
    Case("methods are in capitals", line(b"get /healthz HTTP/1.1"), (501,), CLOSED, "RFC 9110, 9.1"),
    Case("a method of RTSP", line(b"SETUP /healthz RTSP/1.0"), (501,), CLOSED, "RFC 9110, 9.1"),
    Case("the same in HTTP", line(b"SETUP /healthz HTTP/1.1"), (501,), CLOSED, "RFC 9110, 9.1"),
    Case("a method of Icecast", line(b"SOURCE /healthz ICE/1.0"), (501,), CLOSED, "RFC 9110, 9.1"),
    Case("a method that is no token", line(b"G(T /healthz HTTP/1.1"), (400,), CLOSED, "RFC 9110, 9.1"),
    Case("NUL bytes", bytes(40) + b"\r\n\r\n", (400,), CLOSED, "3"),
    Case("every byte", bytes(range(256)), (400,), CLOSED, "3"),
    Case("the hello of TLS", bytes.fromhex("16030100c8010000c40303") + bytes(190), (400,), CLOSED, "3"),
    Case("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505,), CLOSED, "RFC 9113, 3.4"),
    Case("line feeds alone", b"GET /healthz HTTP/1.1\nHost: a\n\n", (400,), CLOSED, "2.2"),
    # The target.
    Case("absolute form", line(b"GET http://b/healthz HTTP/1.1"), (200,), OPEN, "3.2.2"),
    Case("absolute form, no path", line(b"GET HTTPS://b:1?x HTTP/1.1"), (404,), OPEN, "3.2.2"),
    Case("absolute form of FTP", line(b"GET ftp://b/healthz HTTP/1.1"), (400,), CLOSED, "3.2.2"),
    Case("absolute form without a host", line(b"GET http:///healthz HTTP/1.1"), (400,), CLOSED, "RFC 9110, 4.2.1"),
    Case("absolute form with a user", line(b"GET http://u:p@b/healthz HTTP/1.1"), (400,), CLOSED, "RFC 9110, 4.2.4"),
    Case("authority form", line(b"CONNECT b:443 HTTP/1.1"), (501,), CLOSED, "RFC 9110, 9.3.6"),
    Case("CONNECT to a path", line(b"CONNECT /function/echo HTTP/1.1") + b"secret", (501,), CLOSED, "RFC 9110, 9.3.6"),
    Case("asterisk form", line(b"OPTIONS * HTTP/1.1"), (204,), OPEN, "3.2.4"),
    Case("asterisk form of another method", line(b"GET * HTTP/1.1"), (400,), CLOSED, "3.2.4"),
    Case("neither form", line(b"GET healthz HTTP/1.1"), (400,), CLOSED, "3.2"),
    Case("a fragment", line(b"GET /healthz#top HTTP/1.1"), (400,), CLOSED, "3.2"),
    Case("bytes beyond ASCII in the path", line(b"GET /function/event/\xc3\xa9 HTTP/1.1"), (400,), CLOSED, "3.2"),
    Case("a control character in the path", line(b"GET /\x01 HTTP/1.1"), (400,), CLOSED, "3.2"),
    Case("NUL in the path", line(b"GET /\0 HTTP/1.1"), (400,), CLOSED, "3.2"),
    Case("a huge path, within the limit", line(b"GET /function/event/" + b"x" * (60 << 10) + b" HTTP/1.1"), (200,), OPEN, "3"),
    Case("a huge path, beyond it", line(b"GET /function/event/" + b"x" * BIG + b" HTTP/1.1"), (431,), CLOSED, "RFC 6585, 5"),
    Case("an id that is percent-encoded", line(b"GET /function/%65vent HTTP/1.1"), (200,), OPEN, "RFC 3986, 2.3"),
    Case("an id with an encoded slash", line(b"GET /function/event%2fx HTTP/1.1"), (404,), OPEN, "RFC 3986, 2.2"),
    Case("an id that is no UTF-8", line(b"GET /function/%ff%00%zz HTTP/1.1"), (404,), OPEN, "RFC 3986, 2.1"),
    Case("out of the functions", line(b"GET /function/../healthz HTTP/1.1"), (404,), OPEN, "RFC 9110, 4.2.3"),
    Case("above the root", line(b"GET /../../etc/passwd HTTP/1.1"), (404,), OPEN, "RFC 9110, 4.2.3"),
    # Host.
    Case("no Host", line(b"GET /healthz HTTP/1.1", b""), (400,), CLOSED, "3.2"),
    Case("two Hosts", header(b"Host: a"), (400,), CLOSED, "3.2"),
    Case("an empty Host", line(b"GET /healthz HTTP/1.1", b"Host:\r\n"), (200,), OPEN, "3.2"),
    Case("a Host with a port", line(b"GET /healthz HTTP/1.1", b"Host: [::1]:80 \t\r\n"), (200,), OPEN, "3.2"),
    Case("a Host that is none", line(b"GET /healthz HTTP/1.1", b"Host: a/b\r\n"), (400,), CLOSED, "3.2"),
    Case("a Host with a user", line(b"GET /healthz HTTP/1.1", b"Host: u@a\r\n"), (400,), CLOSED, "3.2"),
    Case("a Host of a kilobyte", line(b"GET /function/event HTTP/1.1", b"Host: " + b"a" * 1024 + b"\r\n"), (200,), OPEN, "RFC 1035, 2.3.4"),
    Case("a longer Host", line(b"GET /function/event HTTP/1.1", b"Host: " + b"a" * 1025 + b"\r\n"), (400,), CLOSED, "RFC 1035, 2.3.4"),
    Case("a longer Host in the target", line(b"GET http://" + b"a" * 65000 + b"/function/event HTTP/1.1"), (400,), CLOSED, "RFC 1035, 2.3.4"),
    Case("two Hosts in HTTP/1.0", line(b"GET /healthz HTTP/1.0", HOST + HOST), (400,), CLOSED, "3.2"),
    # Headers.
    Case("NUL in a value", header(b"X: a\0b"), (400,), CLOSED, "RFC 9110, 5.5"),
    Case("a control character in a value", header(b"X: a\x01b"), (400,), CLOSED, "RFC 9110, 5.5"),
    Case("a carriage return in a value", header(b"X: a\rb"), (400,), CLOSED, "RFC 9110, 5.5"),
    Case("a line feed alone ends a value", header(b"X: a\nY: b"), (400,), CLOSED, "2.2"),
    Case("bytes beyond ASCII in a value", header(b"X: \xe9\xff"), (200,), OPEN, "RFC 9110, 5.5"),
    Case("NUL in a name", header(b"X\0: a"), (400,), CLOSED, "RFC 9110, 5.1"),
    Case("bytes beyond ASCII in a name", header(b"X\xe9: a"), (400,), CLOSED, "RFC 9110, 5.1"),
    Case("a folded line", header(b"X: a\r\n b"), (400,), CLOSED, "5.2"),
    Case("space before the first header", b"GET /healthz HTTP/1.1\r\n Host: a\r\n\r\n", (400,), CLOSED, "2.2"),
    Case("no colon", header(b"X"), (400,), CLOSED, "5"),
    Case("no name", header(b": a"), (400,), CLOSED, "5"),
    Case("space before the colon", header(b"X : a"), (400,), CLOSED, "5.1"),
    Case("an empty value", header(b"X:\r\nY: \t"), (200,), OPEN, "5"),
    Case("a head that is too large", header(b"X: " + b"x" * BIG), (431,), CLOSED, "RFC 6585, 5"),
    Case("many headers that are too large", header(b"\r\n".join(b"X%d: x" % n for n in range(8000))), (431,), CLOSED, "RFC 6585, 5"),
    Case("a head that is too large, all of it dropped", header(b"x_x: " + b"x" * BIG), (431,), CLOSED, "RFC 6585, 5"),
    Case("the same in many headers", header(b"\r\n".join(b"x_%d: x" % n for n in range(8000))), (431,), CLOSED, "RFC 6585, 5"),
    Case("names that only look like others", header(b"Content_Length: 3\r\nTransfer_Encoding: chunked\r\nHost_: b"), (200,), OPEN, "RFC 9110, 5.1"),
    # How long the body is.
    Case("length and coding", post(b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"), (400,), CLOSED, "6.3"),
    Case("coding and length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 3", b"0\r\n\r\n"), (400,), CLOSED, "6.3"),
    Case("two lengths", post(b"Content-Length: 3\r\nContent-Length: 4", b"abcd"), (400,), CLOSED, "6.3"),
    Case("two lengths in one", post(b"Content-Length: 3, 4", b"abcd"), (400,), CLOSED, "6.3"),
    Case("a negative length", post(b"Content-Length: -1"), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("a length with a sign", post(b"Content-Length: +1", b"a"), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("a length with an underscore", post(b"Content-Length: 1_0", b"a" * 10), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("a hexadecimal length", post(b"Content-Length: 0x1", b"a"), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("no length in Content-Length", post(b"Content-Length: "), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("a length of 64 bits", post(b"Content-Length: 18446744073709551615"), (413,), CLOSED, "RFC 9110, 15.5.14"),
    Case("a length beyond 64 bits", post(b"Content-Length: " + b"9" * 40), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("a length of 10000 digits", post(b"Content-Length: " + b"9" * 10000), (400,), CLOSED, "RFC 9110, 8.6"),
    Case("a coding that is not known", post(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"), (501,), CLOSED, "6.1"),
    Case("the same, and not chunked", post(b"Transfer-Encoding: gzip"), (501,), CLOSED, "6.1"),
    Case("almost chunked", post(b"Transfer-Encoding: xchunked", b"0\r\n\r\n"), (501,), CLOSED, "6.1"),
    Case("chunked, not as the last", post(b"Transfer-Encoding: chunked, gzip", b"0\r\n\r\n"), (400,), CLOSED, "6.3"),
    Case("chunked twice", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"), (400,), CLOSED, "6.1"),
    Case("chunked in HTTP/1.0", b"POST /function/echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,), CLOSED, "6.1"),
    Case("Chunked in other letters", post(b"transfer-encoding: CHUNKED", b"1\r\nx\r\n0\r\n\r\n"), (200,), OPEN, "7"),
    # Chunks.
    Case("no size", CHUNKED + b"\r\nx\r\n", (400,), CLOSED, "7.1"),
    Case("a size that is no number", CHUNKED + b"xyz\r\n", (400,), CLOSED, "7.1"),
    Case("a negative size", CHUNKED + b"-1\r\nx\r\n", (400,), CLOSED, "7.1"),
    Case("a size with 0x", CHUNKED + b"0x1\r\nx\r\n", (400,), CLOSED, "7.1"),
    Case("a size beyond 64 bits", CHUNKED + b"f" * 17 + b"\r\n", (400,), CLOSED, "7.1"),
    Case("a chunk that is longer than it says", CHUNKED + b"1\r\nxx\r\n0\r\n\r\n", (400,), CLOSED, "7.1"),
    Case("a line feed alone after a size", CHUNKED + b"1\nx\r\n0\r\n\r\n", (400,), CLOSED, "7.1"),
    Case("a line feed alone after an extension", CHUNKED + b"1;a\nx\r\n0\r\n\r\n", (400,), CLOSED, "7.1.1"),
    Case("extensions", CHUNKED + b'1;a=b;c="d e";f\r\nx\r\n0;g\r\n\r\n', (200,), OPEN, "7.1.1"),
    Case("an extension that never ends", CHUNKED + b"1;" + b"a" * (400 << 10), (431,), CLOSED, "7.1.1"),
    Case("trailers", CHUNKED + b"1\r\nx\r\n0\r\nHost: b\r\nX-Own: c\r\n\r\n", (200,), OPEN, "7.1.2"),
    Case("a length in the trailers", CHUNKED + b"1\r\nx\r\n0\r\nContent-Length: 7\r\n\r\n", (400,), CLOSED, "RFC 9110, 6.5.1"),
    Case("trailers that never end", CHUNKED + b"0\r\n" + b"X: yyyyyyyyyyyyyy\r\n" * 20000, (431,), CLOSED, "7.1.2"),
    # Connections.
    Case("HTTP/1.0", b"GET /healthz HTTP/1.0\r\n\r\n", (200,), CLOSED, "9.3"),
    Case("HTTP/1.0 that stays", b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", (200,), OPEN, "9.3"),
    Case("the last one says so", header(b"Connection: close"), (200,), CLOSED, "9.6"),
    Case("more after the last one", header(b"Connection: close") + get(), (200,), CLOSED, "9.6"),
    Case("garbage after the last one", header(b"Connection: close") + b"\0\0", (200,), CLOSED, "9.6"),
    Case("twenty in one piece", get("/function/event") * 20, (200,) * 20, OPEN, "9.3.2"),
    Case("garbage after a good one", get() + b"\0\0\r\n\r\n", (200, 400), CLOSED, "9.3.2"),
    Case("garbage after one for a function", get("/function/event") + b"\0\0\r\n\r\n", (200, 400), CLOSED, "9.3.2"),
    Case("another method after a good one", get() + line(b"FOO / HTTP/1.1"), (200, 400), CLOSED, "9.3.2"),
    Case("too large after a good one", get("/function/event") + header(b"X: " + b"x" * BIG), (200, 431), CLOSED, "9.3.2"),
    Case("too large after another's body", post(b"Content-Length: 1000", b"x" * 1000) + header(b"X: " + b"x" * (150 << 10)), (200, 431), CLOSED, "9.3.2"),
    Case("an upgrade to HTTP/2", header(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"), (200,), OPEN, "RFC 9110, 7.8"),
    Case("an upgrade of a function", get("/function/event", "Connection: Upgrade", "Upgrade: h2c") * 2, (200, 200), OPEN, "RFC 9110, 7.8"),
    Case("a WebSocket", header(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13"), (200,), OPEN, "RFC 9110, 7.8"),
    Case("an upgrade that closes", header(b"Connection: Upgrade, close\r\nUpgrade: h2c") + get(), (200,), CLOSED, "RFC 9110, 7.8"),
    # Expect.
    Case("a 100 for a body that is wanted", post(b"Content-Length: 3\r\nExpect: 100-Continue"), (100,), "body", "RFC 9110, 10.1.1"),
    Case("none for one that is too large", post(b"Content-Length: 99999999\r\nExpect: 100-continue"), (413,), CLOSED, "RFC 9110, 10.1.1"),
    Case("none where there is no body", header(b"Expect: 100-continue"), (200,), OPEN, "RFC 9110, 10.1.1"),
    Case("none after what was refused", header(b"X: " + b"x" * BIG) + post(b"Content-Length: 3\r\nExpect: 100-continue"), (431,), CLOSED, "RFC 9110, 10.1.1"),
    Case("a 100 after the answer before", get("/function/event") + post(b"Content-Length: 3\r\nExpect: 100-continue"), (200, 100), "body", "RFC 9110, 10.1.1"),
    Case("an expectation that nobody knows", header(b"Expect: sun"), (200,), OPEN, "RFC 9110, 10.1.1"),
]  # fmt: skip


def play(connection: Raw, case: Case) -> None:
    for status in case.statuses:
        answer = connection.answer()
        assert answer.status == status, f"{answer} instead of {status}"
    if case.after == CLOSED:
        assert answer.headers["connection"] == "close"
        connection.assert_closed()
        return
    assert answer.headers.get("connection", "keep-alive") == "keep-alive"
    if case.after == "body":
        connection.send(b"abc")
        assert connection.answer().body == b"abc"
    connection.send(get())
    assert connection.answer().status == 200


def test_each_gets_its_status_and_costs_nobody_else_anything(up: Start) -> None:
    runtime = up({"id": "echo"}, {"id": "event"}, allowed_hosts=["*"])
    with Raw(runtime.port) as other:
        failures = []
        for case in CASES:
            try:
                with Raw(runtime.port) as connection:
                    connection.send(case.data)
                    play(connection, case)
                other.send(get())
                assert other.answer().status == 200
                assert_unharmed(runtime)
            except (AssertionError, OSError, ValueError) as error:
                failures.append(f"{case.name} ({case.why}): {error!r}")
        assert not failures, "\n".join(failures)
    assert sum(each["served"] for each in runtime.instances(0)) > 0
    for index in (0, 1):  # one instance each: none was lost on the way
        assert len(runtime.instances(index)) == 1
        assert set(runtime.state()[index]["counts"]) == {"started"}


def test_in_however_many_pieces_they_come(up: Start) -> None:
    runtime = up({"id": "echo"}, {"id": "event"}, allowed_hosts=["*"])
    failures = []
    for case in CASES:
        if len(case.data) > 1000:
            continue
        with Raw(runtime.port) as connection:
            try:
                for at in range(len(case.data)):
                    connection.send(case.data[at : at + 1])
            except ConnectionError:
                pass  # it has been refused
            try:
                for status in case.statuses:
                    found = connection.answer().status
                    # What the parser refuses before the line is whole is just bad.
                    assert found == status or {found, status} <= {400, 501, 505}, found
            except (AssertionError, OSError, ValueError) as error:
                failures.append(f"{case.name}: {error!r}")
    assert not failures, "\n".join(failures)
    assert_unharmed(runtime)


def test_a_large_head_in_pieces_is_refused_before_it_ends(up: Start) -> None:
    runtime = up({"id": "event"}, allowed_hosts=["*"])
    with Raw(runtime.port) as connection:
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
        for _ in range(70):
            connection.send(b"X: " + b"x" * 1019 + b"\r\n")
        assert connection.answer().status == 431
        connection.assert_closed()
    # A body before it in the same bytes, which count for nothing, whatever their number.
    with Raw(runtime.port) as connection:
        for _ in range(8):
            connection.send(get("/function/event", body=b"x" * (100 << 10)))
            connection.send(get("/function/event", "X: " + "x" * (60 << 10)))
        for _ in range(16):
            assert connection.answer().status == 200
    [instance] = runtime.instances()
    assert instance["served"] == 16


def test_what_the_function_sees_of_odd_requests(up: Start) -> None:
    runtime = up({"id": "event"}, allowed_hosts=["*"])
    with Raw(runtime.port) as connection:

        def seen(data: bytes) -> dict[str, object]:
            connection.send(data)
            answer = connection.answer()
            assert answer.status == 200
            told: dict[str, object] = json.loads(answer.body)
            return told

        # RFC 9112, section 3.2.2: the target's host, not the header's; a query without a path.
        event = seen(line(b"GET http://other:81/function/event/x?y=1 HTTP/1.1"))
        assert event["rawPath"] == "/x" and event["rawQueryString"] == "y=1"
        assert event["headers"]["host"] == "other:81"  # type: ignore[index]
        # RFC 9110, section 5.5: space around a value is none of it.
        event = seen(get("/function/event", "X:\t  a b \t ", "Y: ", "Z: \xe9"))
        headers = event["headers"]
        assert isinstance(headers, dict)
        assert (headers["x"], headers["y"]) == ("a b", "")
        # RFC 9112, section 7.1.3: chunks are put together, their coding and trailers taken off.
        chunks = b"".join(b"2;x=y\r\n%02d\r\n" % n for n in range(10)) + b"0\r\nX-Late: 1\r\n\r\n"
        of_text = get("/function/event", "Transfer-Encoding: chunked", "Content-Type: text/plain")
        event = seen(of_text + chunks)
        assert event["body"] == "".join(f"{n:02d}" for n in range(10))
        headers = event["headers"]
        assert isinstance(headers, dict)
        assert "transfer-encoding" not in headers and "x-late" not in headers
        # The path is the function's own business.
        assert seen(get("/function/event/../a/./%2e%2e"))["rawPath"] == "/../a/./.."


def test_an_upgrade_with_a_body_is_a_request_with_a_body(up: Start) -> None:
    """What the JDK's client sends by default; a body that were left lying would be a request."""
    runtime = up({"id": "echo"})
    inner = get("/function/none")
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    requests = [
        get("/function/echo", *upgrade, method="POST", body=inner),
        get("/function/echo", *upgrade, "Transfer-Encoding: chunked", method="POST") + chunked,
    ]
    for request in requests:
        for size in (len(request), 1):
            with Raw(runtime.port) as connection:
                for at in range(0, len(request), size):
                    connection.send(request[at : at + size])
                answer = connection.answer()
                assert (answer.status, answer.body) == (200, inner)
                connection.send(get())
                assert connection.answer().body == b'{"status":"ok"}'
    # One that is the last on its connection, with more behind it.
    last = get("/function/echo", "Connection: Upgrade, close", "Upgrade: h2c", body=b"abc")
    with Raw(runtime.port) as connection:
        connection.send(last + get("/healthz"))
        assert connection.answer().body == b"abc"
        connection.assert_closed()
    assert_unharmed(runtime)


def test_http_1_0_is_told_whether_its_connection_stays(up: Start) -> None:
    runtime = up({"id": "echo"})
    with Raw(runtime.port) as connection:
        for _ in range(3):  # RFC 9112, section 9.3: it must be said
            connection.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert connection.answer().headers["connection"] == "keep-alive"
        # RFC 9110, section 10.1.1: HTTP/1.0 knows no 100.
        connection.send(
            b"POST /function/echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc"
        )
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        connection.assert_closed()
