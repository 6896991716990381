"""HTTP/1.1 on a connection: httptools parses, uvloop moves the bytes, and the rest is here.

Requests of a connection are answered in their order, one at a time. A head, a body, and the time in
which they must arrive are bounded; so is the time in which a client takes an answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools

if TYPE_CHECKING:
    from aetherless_py.runtime.wire import Buffer

HEAD_LIMIT_BYTES = 1 << 16
PIPELINE = 16  # requests that may wait on a connection before it is read no further
JOIN_BYTES = 1 << 16  # a body up to this size goes with its head in one piece

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_phrase}\r\n".encode()
    for status in range(200, 600)
    for _phrase in [HTTPStatus(status).phrase if status in list(HTTPStatus) else ""]
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
Headers = list[tuple[bytes, bytes]]


class Settings:
    """What all connections of a gateway share.

    Attributes:
        connections: those that are open.
        date: the header's line, renewed every second.
        body_limit_bytes: of a request.
        request_timeout_s: in which a request must arrive, and an answer be taken.
        idle_timeout_s: after which a connection without a request is closed.
    """

    def __init__(
        self, body_limit_bytes: int, request_timeout_s: float, idle_timeout_s: float = 75.0
    ) -> None:
        self.connections: set[Connection] = set()
        self.date = b""
        self.body_limit_bytes = body_limit_bytes
        self.request_timeout_s, self.idle_timeout_s = request_timeout_s, idle_timeout_s


class HttpRequest:
    """A request that has arrived whole; `respond` to it once.

    Attributes:
        method: of HTTP.
        target: the request's target as it came.
        headers: names in lower case.
        body: in the pieces in which it came.
        client: the client's address.
        gone: whether the client has closed its connection.
    """

    __slots__ = ("_connection", "body", "gone", "headers", "keep_alive", "method", "target")

    def __init__(self, connection: Connection, method: str, target: bytes, headers: Headers):
        self._connection = connection
        self.method, self.target, self.headers = method, target, headers
        self.body: list[Buffer] = []
        self.keep_alive = True
        self.gone = False

    @property
    def client(self) -> str:
        """The client's address; "" on a Unix socket."""
        return self._connection.client

    def respond(self, status: int, headers: Headers, body: Buffer = b"") -> None:
        """Answers; the body's length is what it is, whatever the headers say."""
        if not self.gone:
            self._connection.answer(self, status, headers, body)


App = Callable[[HttpRequest], object]


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        app: is given each request.
        settings: of the gateway.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self.client = ""
        self._waiting: deque[HttpRequest] = deque()
        self._current: HttpRequest | None = None  # it is being answered
        self._arriving: HttpRequest | None = None  # its head is there
        self._in_head = False
        self._head_bytes = self._body_bytes = 0
        self._since = self._loop.time()  # when it last began to wait for the client
        self._refusal: HTTPStatus | None = None  # it is over after that
        self._ending = False  # no more requests are taken
        self._stuck = self._paused = False  # the client does not read; we do not read

    # -- from the client -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.client = str(peer[0])
        self._settings.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """It is gone; nobody waits for answers any more."""
        self._settings.connections.discard(self)
        for request in (self._current, self._arriving, *self._waiting):
            if request is not None:
                request.gone = True
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._ending:
            return
        if self._in_head or self._arriving is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ending = True  # answered as if it had not asked; the rest is no HTTP
            newest = self._waiting[-1] if self._waiting else self._current
            if newest is not None:
                newest.keep_alive = False
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        if self._in_head and self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def eof_received(self) -> bool:
        """The client sends no more; it may still read."""
        if self._in_head or self._arriving is not None:
            self._refuse(HTTPStatus.BAD_REQUEST)
        self._ending = True
        return self._current is not None  # else there is nothing to stay open for

    # -- from the parser --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._since = self._loop.time()
        self._target = b""
        self._headers: Headers = []
        self._expects = False
        self._hosts = self._length = 0

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        name = name.lower()
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._length = int(value)
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head = False
        parser = self._parser
        version = parser.get_http_version()
        request = HttpRequest(
            self, parser.get_method().decode("ascii"), self._target, self._headers
        )
        self._arriving = request
        # The bytes of this piece may be a body's: counted exactly only where it matters.
        if self._head_bytes > HEAD_LIMIT_BYTES and self._head_size() > HEAD_LIMIT_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif version not in ("1.1", "1.0"):
            self._refuse(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        elif self._hosts != 1 and (version == "1.1" or self._hosts):
            self._refuse(HTTPStatus.BAD_REQUEST)  # RFC 9112, section 3.2
        elif self._length > self._settings.body_limit_bytes:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self._expects and self._current is None:
            self._transport.write(_CONTINUE)
        self._head_bytes = self._body_bytes = 0
        request.keep_alive = parser.should_keep_alive()

    def _head_size(self) -> int:
        return len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self._refusal is not None:
            return
        self._body_bytes += len(piece)
        if self._body_bytes > self._settings.body_limit_bytes:  # one that was not announced
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        assert self._arriving is not None
        self._arriving.body.append(piece)

    def on_message_complete(self) -> None:
        """The request is there whole."""
        request, self._arriving = self._arriving, None
        if self._refusal is not None or request is None:
            return
        if not request.keep_alive:
            self._ending = True
        if self._current is None and not self._stuck:
            self._current = request
            self._app(request)
        else:
            self._waiting.append(request)
            if len(self._waiting) >= PIPELINE:
                self._pause()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()

    # -- to the client ----------------------------------------------------------------------------

    def answer(self, request: HttpRequest, status: int, headers: Headers, body: Buffer) -> None:
        """Sends the answer to the current request."""
        head = [_STATUS_LINES[status], self._settings.date]
        for name, value in headers:
            head += (name, b": ", value, b"\r\n")
        if status == 204 or status == 304:
            body = b""
        else:
            head.append(b"content-length: %d\r\n" % len(body))
        if not request.keep_alive:
            head.append(b"connection: close\r\n")
        head.append(b"\r\n")
        if request.method != "HEAD" and body:
            if len(body) > JOIN_BYTES:
                self._transport.write(b"".join(head))
                head = [body]  # type: ignore[list-item]
            else:
                head.append(body)  # type: ignore[arg-type]
        self._transport.write(b"".join(head) if len(head) > 1 else head[0])
        self._since = self._loop.time()
        self._current = None
        if not request.keep_alive:
            self._transport.close()
        elif self._waiting or self._refusal is not None or self._ending or self._paused:
            self._go_on()

    def _go_on(self) -> None:
        """Does what had to wait for an answer."""
        if self._stuck or self._current is not None:
            return
        if self._waiting:
            self._current = self._waiting.popleft()
            # Not from inside the answer before: a thousand of them would be a thousand calls deep.
            self._loop.call_soon(self._app, self._current)
        elif self._refusal is not None:
            self._end(self._refusal)
        elif self._ending:
            self._transport.close()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        self._stuck = True
        self._pause()

    def resume_writing(self) -> None:
        """It does again."""
        self._stuck = False
        self._since = self._loop.time()
        self._go_on()

    def _refuse(self, status: HTTPStatus) -> None:
        """What arrives is not taken: earlier requests are answered, then this is said."""
        if self._refusal is not None:
            return
        self._refusal, self._ending = status, True
        if self._arriving is not None:
            self._arriving.body.clear()
        if self._current is None and not self._waiting:
            self._end(status)

    def _end(self, status: HTTPStatus) -> None:
        content = f'{{"message":"{status.phrase}"}}'.encode()
        self._transport.write(
            b"%b%bcontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            % (_STATUS_LINES[status], self._settings.date, len(content))
            + content
        )
        self._transport.close()

    def check_time(self, now: float) -> None:
        """Ends the connection if the client has taken too long; called every second."""
        waited_s = now - self._since
        if self._stuck:
            if waited_s > self._settings.request_timeout_s:
                self._transport.abort()
        elif self._in_head or self._arriving is not None:
            if waited_s > self._settings.request_timeout_s:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self._current is None and waited_s > self._settings.idle_timeout_s:
            self._transport.close()

    def finish(self) -> None:
        """Takes no more requests; closes as soon as those that it has are answered."""
        self._ending = True
        if self._current is None:
            self._transport.close()
        elif not self._waiting:
            self._current.keep_alive = False
