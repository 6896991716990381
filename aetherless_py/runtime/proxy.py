"""Requests for executables: each passed on over HTTP to an instance on this machine.

`httptools` reads the answers, which it does strictly. aiohttp's client was tried: it drops bytes of
headers that are not UTF-8 and rewrites methods, where a proxy has to pass on what it gets.

A request is sent once. If its connection breaks, nobody knows what became of it, and its caller is
told so; a kept connection is looked at before it is used again, so that this is rare.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import httptools

from aetherless_py.errors import (
    UpstreamGone,
    UpstreamMalformed,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from aetherless_py.runtime.forwarded import Header, forwarded
from aetherless_py.start.readiness import readable

HOST = "127.0.0.1"
HEAD_LIMIT_BYTES = 1 << 16
# How long a connection is kept unused: below the 5 s after which Node.js and uvicorn close theirs.
IDLE_S = 4.0

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")

Buffer: TypeAlias = bytes | bytearray | memoryview

# RFC 9110, 7.6.1 and 11.7: between two neighbours, whatever `Connection` says. Trailers are not
# passed on.
_HOP_BY_HOP = frozenset(
    (
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info",
        b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding",
        b"upgrade",
    )
)  # fmt: skip
# What `Connection` must not take away: without it the request would be another one.
_END_TO_END = frozenset((b"host", b"content-length"))
# The body is here already, so that nobody has to be asked for it; its length is written anew.
_ANEW = frozenset((b"expect", b"content-length"))


@dataclass(frozen=True, slots=True)
class ProxyResponse:
    """An answer.

    Attributes:
        status: of HTTP.
        headers: as they came, without those that concern the connection only.
        body: all of it.
    """

    status: int
    headers: list[Header]
    body: bytes


class Proxy:
    """Passes requests on to instances. Belongs to one event loop.

    Args:
        body_limit_bytes: of an answer.
        idle_s: how long a connection is kept for the next request.
    """

    def __init__(self, body_limit_bytes: int, idle_s: float = IDLE_S) -> None:
        self._body_limit_bytes, self._idle_s = body_limit_bytes, idle_s
        self._pools: dict[int, _Pool] = {}

    async def forward(
        self,
        port: int,
        method: str,
        target: bytes,
        headers: Iterable[Header],
        body: Buffer | Sequence[Buffer],
        timeout_s: float,
        client: str,
        scheme: str = "http",
    ) -> ProxyResponse:
        """Sends one request to an instance, once.

        Args:
            port: of the instance, on this machine.
            method, target: as they came; the target is the path with its query.
            headers: as they came.
            body: all of it.
            timeout_s: until the whole answer must be there.
            client, scheme: who asks, and how, for X-Forwarded-For and X-Forwarded-Proto.

        Raises:
            UpstreamGone: no connection, or it broke before the whole answer was there. The instance
                may have got the request.
            UpstreamTimeout: no whole answer in time.
            UpstreamTooLarge: the answer is larger than it may be.
            UpstreamMalformed: the answer is not HTTP.
            ValueError: the request is not HTTP.
        """
        parts = [body] if isinstance(body, Buffer) else list(body)
        size = sum(memoryview(part).nbytes for part in parts)
        head = _head(method, target, list(headers), size, client, scheme)
        pool = self._pools.get(port)
        if pool is None:
            pool = self._pools[port] = _Pool(port, self._body_limit_bytes, self._idle_s)
        try:
            async with asyncio.timeout(timeout_s):
                connection = await pool.take()
                try:
                    return await connection.ask(method, [head, *parts])
                finally:
                    pool.give_back(connection)
        except TimeoutError:
            raise UpstreamTimeout(f"no whole answer within {timeout_s} s") from None

    async def forget(self, port: int) -> None:
        """Closes all connections to an instance that is stopped; what is asked there is gone."""
        if pool := self._pools.pop(port, None):
            await pool.close()

    async def close(self) -> None:
        """Closes all connections."""
        for port in list(self._pools):
            await self.forget(port)


class _Pool:
    """The connections to one instance."""

    def __init__(self, port: int, body_limit_bytes: int, idle_s: float) -> None:
        self._port, self._body_limit_bytes, self._idle_s = port, body_limit_bytes, idle_s
        self._all: set[_Connection] = set()
        self._idle: deque[_Connection] = deque()  # the one used last stands last
        self._closed = False
        self._sweep: asyncio.TimerHandle | None = None

    async def take(self) -> _Connection:
        """A connection that nobody uses."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable():
                return connection
            connection.abort()
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self._body_limit_bytes, self._all), HOST, self._port
            )
        except OSError as error:
            raise UpstreamGone(f"no connection to port {self._port}: {error}") from None
        if self._closed:  # meanwhile
            connection.abort()
        return connection

    def give_back(self, connection: _Connection) -> None:
        """Keeps it for the next request if it can be."""
        if self._closed or not connection.usable():
            connection.abort()
            return
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep_later(self._idle_s)

    def _sweep_later(self, in_s: float) -> None:
        self._sweep = asyncio.get_running_loop().call_later(in_s, self._sweep_now)

    def _sweep_now(self) -> None:
        self._sweep = None
        now = time.monotonic()
        while self._idle and self._idle[0].free_since + self._idle_s <= now:
            self._idle.popleft().abort()
        if self._idle:
            self._sweep_later(self._idle[0].free_since + self._idle_s - now)

    async def close(self) -> None:
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._all):
            connection.abort()
        while self._all:
            await next(iter(self._all)).over


class _Connection(asyncio.Protocol):
    """A connection to an instance, and the answer that arrives on it.

    Attributes:
        free_since: when its last answer was whole, on `time.monotonic`.
        over: done when it is closed.
    """

    def __init__(self, body_limit_bytes: int, among: set[_Connection]) -> None:
        self._body_limit_bytes, self._among = body_limit_bytes, among
        self.free_since = time.monotonic()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[ProxyResponse] | None = None  # that is waited for
        self._kept = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._fd: int = transport.get_extra_info("socket").fileno()
        self._among.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._among.discard(self)
        self._fail(UpstreamGone("it closed the connection before the whole answer"))
        self.over.set_result(None)

    def usable(self) -> bool:
        """Whether the next request can be sent on it.

        What can be read now is its end, or an answer to nothing, even if the event loop has not
        come to it yet.
        """
        return (
            self._kept
            and not self._transport.is_closing()
            and not self._transport.get_write_buffer_size()
            and not readable(self._fd)
        )

    def abort(self) -> None:
        self._kept = False
        self._transport.abort()

    async def ask(self, method: str, parts: list[Buffer]) -> ProxyResponse:
        """Sends a request and waits for its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._kept = False  # until the answer has turned out to be whole
        self._bodiless = method == "HEAD"
        self._parser = httptools.HttpResponseParser(self)
        self._bare_bytes = self._body_bytes = 0
        self._headers: list[Header] = []
        self._body: list[bytes] = []
        self._framed = True
        self._status = 0
        if self._transport.is_closing():
            raise UpstreamGone("it closed the connection before it was asked")
        self._transport.writelines(parts)
        try:
            return await self._answer
        finally:
            self._answer = None

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.abort()  # nobody has asked for that
            return
        self._bare_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # What was raised in the methods below comes as the cause of that.
            cause = error.__context__
            if not isinstance(cause, UpstreamTooLarge | UpstreamMalformed):
                cause = UpstreamMalformed(f"its answer makes no sense: {error}")
            self._kept = False
            self._fail(cause)
        else:
            # A head that never ends, or chunks and trailers with nothing in them.
            if self._bare_bytes > HEAD_LIMIT_BYTES:
                self._fail(UpstreamTooLarge(f"its head has more than {HEAD_LIMIT_BYTES} bytes"))

    def eof_received(self) -> None:
        if self._status and not self._framed:
            self._finish()

    # What the parser finds, in this order; an answer may come after several of status 1xx.

    def on_message_begin(self) -> None:
        if self._done():
            self._kept = False  # a second answer
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._status:  # no trailer
            self._headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._done() or (100 <= status < 200 and status != 101):
            return
        if not 200 <= status <= 599:  # nothing was asked to be switched
            raise UpstreamMalformed(f"its answer has status {status}")
        self._status = status
        if sum(len(name) + len(value) for name, value in self._headers) > HEAD_LIMIT_BYTES:
            raise UpstreamTooLarge(f"its head has more than {HEAD_LIMIT_BYTES} bytes")
        values = _by_name(self._headers)
        codings = _tokens(values.get(b"transfer-encoding", ()))
        if codings not in ([], [b"chunked"]):
            raise UpstreamMalformed(f"its answer has transfer encodings: {codings}")
        self._persists = self._parser.get_http_version() == "1.1" and b"close" not in _tokens(
            values.get(b"connection", ())
        )
        if self._bodiless:  # which the parser does not know
            self._finish()
        self._framed = bool(codings) or b"content-length" in values

    def on_body(self, data: bytes) -> None:
        if self._done():
            self._kept = False  # more than there may be
            return
        self._bare_bytes = 0
        self._body_bytes += len(data)
        if self._body_bytes > self._body_limit_bytes:
            raise UpstreamTooLarge(f"its body has more than {self._body_limit_bytes} bytes")
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._status and not self._done():
            self._finish()

    def _done(self) -> bool:
        return self._answer is None or self._answer.done()

    def _finish(self) -> None:
        if self._answer is None or self._answer.done():
            return
        self._kept = self._persists
        self.free_since = time.monotonic()
        self._answer.set_result(
            ProxyResponse(
                self._status, _end_to_end(self._headers, self._status), b"".join(self._body)
            )
        )

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)


def _head(
    method: str, target: bytes, headers: list[Header], size: int, client: str, scheme: str
) -> bytes:
    values = _by_name(headers)
    has_body = b"content-length" in values or b"transfer-encoding" in values
    lines = [method.encode("ascii") + b" " + target + b" HTTP/1.1"]
    lines += [
        name + b": " + value
        for name, value in forwarded(_passed_on(headers), client, scheme)
        if name.lower() not in _ANEW
    ]
    if size or has_body:
        lines.append(b"Content-Length: %d" % size)
    # Whoever could put a line's end into one of them could put in a request of his own.
    if (
        not _TOKEN.fullmatch(method)
        or not _TARGET.fullmatch(target)
        or any(end in line for line in lines for end in (b"\r", b"\n", b"\0"))
    ):
        raise ValueError("a request that is not HTTP cannot be passed on")
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _by_name(headers: Iterable[Header]) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def _tokens(values: Iterable[bytes]) -> list[bytes]:
    """The members of a header's list, in lower case."""
    return [
        token for each in values for part in each.split(b",") if (token := part.strip().lower())
    ]


def _passed_on(headers: list[Header]) -> list[Header]:
    """Without those that concern the connection only."""
    named = _tokens(value for name, value in headers if name.lower() == b"connection")
    dropped = _HOP_BY_HOP | (set(named) - _END_TO_END)
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def _end_to_end(headers: list[Header], status: int) -> list[Header]:
    found = _passed_on(headers)
    if status == 204:  # which has no length: RFC 9110, 8.6
        found = [(name, value) for name, value in found if name.lower() != b"content-length"]
    return found
