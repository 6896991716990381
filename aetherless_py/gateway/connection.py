"""HTTP/1.1 on a connection: httptools parses, uvloop moves the bytes, and the rest is here.

Requests of a connection are answered in their order, one at a time. A head, a body, and the time in
which they must arrive are bounded; so is the time in which a client takes an answer. What RFC 9110
and RFC 9112 forbid, and the parser lets pass, is refused here.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic_ns
from typing import TYPE_CHECKING, cast

import httptools

from aetherless_py.runtime.hosts import ALL, Hosts

if TYPE_CHECKING:
    from aetherless_py.runtime.wire import Buffer

HEAD_LIMIT_BYTES = 1 << 16
MOST_CONNECTIONS = 4096
REFUSED = 16  # connections beyond those that are told so at a time; more are only closed
PIPELINE = 16  # requests that may wait on a connection before it is read no further
JOIN_BYTES = 1 << 16  # a body up to this size goes with its head in one piece
_SMALL_BYTES = 4096  # pieces of a body below this are put together

_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {_phrase}\r\n".encode()
    for status in range(200, 600)
    for _phrase in [HTTPStatus(status).phrase if status in list(HTTPStatus) else ""]
}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
RETRY_AFTER = (b"retry-after", b"1")  # of every 503
_LINE_BYTES = 4  # of a header's line, beside its name and value
_LOOKED_AT = frozenset((b"content-length", b"expect", b"host", b"transfer-encoding"))
# Of tunnels and of other protocols that the parser knows, too.
_NOT_SERVED = frozenset(
    b"CONNECT PRI SOURCE DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER"
    b" REDIRECT RECORD FLUSH".split()
)
# RFC 3986, section 3.2: host and port; a user's name has no place in it (RFC 9110, section 4.2.4).
_AUTHORITY = re.compile(rb"(?:\[[\w:.~-]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?", re.ASCII)
_WORDS = {
    HTTPStatus.MISDIRECTED_REQUEST: "this host is not served: orchestrator.allowed_hosts says which"
}
_LONGEST_HOST_BYTES = 1024  # a name has 253 at most (RFC 1035); functions are told it twice
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)
_REQUEST_LINE = re.compile(
    rb"(?:\r?\n)*([!#$%&'*+.^_`|~0-9A-Za-z-]+) +[^ \r\n]+ +HTTP/(\d\.\d)\r\n"
)
Headers = list[tuple[bytes, bytes]]


def _is_host(value: bytes) -> bool:
    return len(value) <= _LONGEST_HOST_BYTES and _AUTHORITY.fullmatch(value) is not None


class _Stop(Exception):
    """Nothing that follows on the connection is taken: the parser stops."""


class Settings:
    """What all connections of a gateway share.

    Attributes:
        connections: those that are open.
        most_connections: of clients; those that come beyond them are refused.
        date: the header's line, renewed every second.
        body_limit_bytes, head_limit_bytes: of a request.
        request_timeout_s: in which a request must arrive, the first one from when the client has
            come, and an answer be taken.
        idle_timeout_s: after which a connection without a further request is closed.
        hosts: that requests may name.
    """

    def __init__(
        self,
        body_limit_bytes: int,
        request_timeout_s: float,
        idle_timeout_s: float = 75.0,
        head_limit_bytes: int = HEAD_LIMIT_BYTES,
        most_connections: int = MOST_CONNECTIONS,
        hosts: Hosts | None = None,
    ) -> None:
        self.connections: set[Connection] = set()
        self.date = b""
        self.hosts = Hosts((ALL,)) if hosts is None else hosts
        self.most_connections = most_connections
        self.body_limit_bytes, self.head_limit_bytes = body_limit_bytes, head_limit_bytes
        self.request_timeout_s, self.idle_timeout_s = request_timeout_s, idle_timeout_s


class HttpRequest:
    """A request that has arrived whole; `respond` to it once.

    Attributes:
        method: of HTTP.
        target: path and query as they came, or "*".
        headers: names in lower case.
        body: in the pieces in which it came.
        begun_ns: its first byte was here, as CLOCK_MONOTONIC.
        client: the client's address.
        keep_alive: whether the connection is for more requests.
        old: whether it is of HTTP/1.0.
        gone: whether the client has closed its connection.
        on_gone: called when it does.
    """

    __slots__ = (
        "_connection", "begun_ns", "body", "gone", "headers", "keep_alive", "method", "old",
        "on_gone", "target",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, method: str, target: bytes, headers: Headers, begun_ns: int
    ) -> None:
        self._connection, self.begun_ns = connection, begun_ns
        self.method, self.target, self.headers = method, target, headers
        self.body: list[Buffer] = []
        self.keep_alive = True
        self.old = self.gone = False
        self.on_gone: Callable[[], object] | None = None

    @property
    def client(self) -> str:
        """The client's address; "" on a Unix socket."""
        return self._connection.client

    def respond(self, status: int, headers: Headers, body: Buffer = b"") -> None:
        """Answers, with the body's length; only HEAD's, without a body, may be in the headers."""
        if not self.gone:
            self._connection.answer(self, status, headers, body)


App = Callable[[HttpRequest], object]


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        app: is given each request.
        settings: of the gateway.
        public: whether it is a client's, who is refused where there are too many, or where he names
            another host than ours.
    """

    def __init__(self, app: App, settings: Settings, public: bool = True) -> None:
        self._app, self._settings, self._public = app, settings, public
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self.client = ""
        self._waiting: deque[HttpRequest] = deque()
        self._current: HttpRequest | None = None  # it is being answered
        self._arriving: HttpRequest | None = None  # its head is there
        self._in_head = False
        self._fresh = True  # there was no request yet
        self._piece_begins = False  # what has come begins with a head
        self._behind_head = self._again = False  # see `_read_body_of_upgrade`
        # Since the last whole head, or piece of a body; and in the piece in which a head has begun.
        self._idle_bytes = self._piece_bytes = self._begin_bytes = 0
        self._body_bytes = 0
        self._since = self._loop.time()  # when it last began to wait for the client
        self._refusal: HTTPStatus | None = None  # it is over after that
        self._owes_continue = False
        self._ending = False  # no more requests are taken
        self._closing = False  # all is said
        self._silent = False  # the client sends no more
        self._stuck = self._paused = False  # the client does not read; we do not read

    # -- from the client -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not derive from it
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.client = str(peer[0])
        self._settings.connections.add(self)
        beyond = len(self._settings.connections) - self._settings.most_connections
        if self._public and beyond > REFUSED:
            self._transport.abort()
        elif self._public and beyond > 0:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, _error: Exception | None) -> None:
        """It is gone; nobody waits for answers any more."""
        self._settings.connections.discard(self)
        for request in (self._current, self._arriving, *self._waiting):
            if request is not None:
                request.gone = True
                if request.on_gone is not None:
                    request.on_gone()
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._piece_bytes = len(data)
        self._idle_bytes += len(data)
        self._piece_begins = not self._in_head and self._arriving is None
        while data and not self._ending:
            try:
                self._parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as asked:
                # Answered as if it had not asked (RFC 9110, section 7.8).
                data = data[asked.args[0] :]
                if self._behind_head:
                    self._read_body_of_upgrade()
            except httptools.HttpParserError:
                self._refuse(self._fault_in(data))
        # A head, a trailer, or a chunk's extension.
        if self._idle_bytes > self._settings.head_limit_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _fault_in(self, data: bytes) -> HTTPStatus:
        """What is wrong with a request that the parser does not take."""
        if self._piece_begins and (line := _REQUEST_LINE.match(data)):
            if line[2] not in (b"1.0", b"1.1"):
                return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
            if not self._headers and self._parser_knows_not(line[1]):
                return HTTPStatus.NOT_IMPLEMENTED  # RFC 9110, section 9.1
        return HTTPStatus.BAD_REQUEST

    def _parser_knows_not(self, method: bytes) -> bool:
        if method in _NOT_SERVED:
            return True
        try:
            httptools.HttpRequestParser(_Nobody()).feed_data(method + b" ")
        except httptools.HttpParserError:
            return True
        return False

    def _read_body_of_upgrade(self) -> None:
        """Has the parser read a body: after the head of an upgrade it does not expect one."""
        if self._chunked:
            framing = b"transfer-encoding: chunked"
        else:
            framing = b"content-length: %d" % self._length
        self._behind_head, self._again = False, True
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % framing)

    def eof_received(self) -> bool:
        """The client sends no more; it may still read."""
        if self._in_head or self._arriving is not None:
            self._refuse(HTTPStatus.BAD_REQUEST)
        self._ending = self._silent = True
        if self._current is not None or self._waiting:
            return True
        if not self._closing:
            self._close()
        return False  # what was written is sent before it closes

    # -- from the parser --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if self._again:
            return
        if self._ending:
            raise _Stop
        self._in_head = True
        self._begin_bytes = self._piece_bytes
        self._since = self._loop.time()
        self._begun_ns = monotonic_ns()
        self._target = self._host = b""
        self._headers: Headers = []
        self._expects = self._chunked = False
        self._hosts = self._length = self._dropped_bytes = 0
        self._fault: HTTPStatus | None = None

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if not self._in_head:  # a trailer: dropped (RFC 9110, section 6.5.1)
            return
        if b"_" in name:
            # As nginx does: who makes variables of headers cannot tell it from one with a hyphen,
            # which a proxy in front may vouch for.
            self._dropped_bytes += len(name) + len(value) + _LINE_BYTES
            return
        name, value = name.lower(), value.rstrip(b" \t")
        if name in _LOOKED_AT:
            if name == b"host":
                self._hosts += 1
                self._host = value
                if value not in self._settings.hosts.known and not _is_host(value):
                    self._fault = HTTPStatus.BAD_REQUEST
            elif name == b"content-length":
                self._length = int(value)
            elif name == b"expect":
                self._expects = value.lower() == b"100-continue"
            else:
                self._chunked = True
                if value.lower() != b"chunked":  # RFC 9112, section 6.1
                    self._fault = HTTPStatus.NOT_IMPLEMENTED
                return  # the function gets what was in the chunks
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        if self._again:
            self._again = False
            return
        self._in_head = self._fresh = False
        parser = self._parser
        version = parser.get_http_version()
        request = HttpRequest(
            self,
            parser.get_method().decode("ascii"),
            self._target,
            self._headers,
            self._begun_ns,
        )
        self._arriving = request
        fault = self._fault_of(request, version)
        if fault is not None:
            self._refuse(fault)
            raise _Stop
        self._idle_bytes = self._body_bytes = 0
        request.keep_alive, request.old = parser.should_keep_alive(), version == "1.0"
        if self._chunked or self._length:
            self._behind_head = parser.should_upgrade()
            if self._expects and not request.old:  # RFC 9110, section 10.1.1
                self._owes_continue = True
                self._go_on()

    def _fault_of(self, request: HttpRequest, version: str) -> HTTPStatus | None:
        # The bytes of this piece may be a body's, or other requests': counted exactly only where
        # it matters.
        limit = self._settings.head_limit_bytes
        if self._idle_bytes + self._begin_bytes > limit and self._head_size() > limit:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        if version != "1.1":
            if version != "1.0":
                return HTTPStatus.HTTP_VERSION_NOT_SUPPORTED
            if self._chunked:  # RFC 9112, section 6.1
                return HTTPStatus.BAD_REQUEST
        if request.method.encode() in _NOT_SERVED:
            return HTTPStatus.NOT_IMPLEMENTED
        if self._hosts != 1 and (version == "1.1" or self._hosts):
            return HTTPStatus.BAD_REQUEST  # RFC 9112, section 3.2
        if self._fault is not None:
            return self._fault
        if not self._target.startswith(b"/") and not self._take_target(request):
            return HTTPStatus.BAD_REQUEST
        if b"#" in self._target:  # RFC 9112, section 3.2: a fragment is not sent
            return HTTPStatus.BAD_REQUEST
        if self._public and not self._is_served(self._host):
            return HTTPStatus.MISDIRECTED_REQUEST
        if self._length > self._settings.body_limit_bytes:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None

    def _is_served(self, host: bytes) -> bool:
        hosts = self._settings.hosts
        return host in hosts.known or hosts.allow(host)

    def _take_target(self, request: HttpRequest) -> bool:
        """Whether a target without a leading slash is good (RFC 9112, section 3.2)."""
        if self._target == b"*":
            return request.method == "OPTIONS"
        found = _ABSOLUTE.fullmatch(self._target)
        if found is None or not _is_host(found[1]):
            return False
        request.target = found[2] if found[2].startswith(b"/") else b"/" + found[2]
        self._host = found[1]
        for index, (name, _) in enumerate(request.headers):
            if name == b"host":  # it does not count (section 3.2.2)
                request.headers[index] = (name, found[1])
        return True

    def _head_size(self) -> int:
        lines = (len(name) + len(value) + _LINE_BYTES for name, value in self._headers)
        return len(self._target) + self._dropped_bytes + sum(lines)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._idle_bytes = 0
        self._body_bytes += len(piece)
        if self._body_bytes > self._settings.body_limit_bytes:  # one that was not announced
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            raise _Stop
        assert self._arriving is not None
        body = self._arriving.body
        # An object for each tiny chunk would be many times the memory that the body is allowed.
        if body and len(piece) < _SMALL_BYTES:
            if isinstance(body[-1], bytearray):
                body[-1] += piece
                return
            body.append(bytearray(piece))
        else:
            body.append(piece)

    def on_message_complete(self) -> None:
        """The request is there whole."""
        if self._behind_head:
            return
        request, self._arriving = self._arriving, None
        self._owes_continue = False
        assert request is not None
        if not request.keep_alive:
            self._ending = True
        if self._current is None and not self._stuck:
            self._current = request
            self._app(request)
        else:
            self._waiting.append(request)
            if len(self._waiting) >= PIPELINE or self._body_bytes > JOIN_BYTES:
                self._pause()  # else so many large bodies would lie here for one client

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
        if status in (204, 205, 304):
            body = b""
        # Of HEAD without a body nobody here knows how long GET's is (RFC 9110, section 8.6).
        if status != 204 and status != 304 and (body or request.method != "HEAD"):
            head.append(b"content-length: %d\r\n" % len(body))
        last = not request.keep_alive or (
            self._ending and not self._waiting and self._refusal is None
        )
        if last:
            head.append(b"connection: close\r\n")
        elif request.old:  # else its client takes it for over (RFC 9112, section 9.3)
            head.append(b"connection: keep-alive\r\n")
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
        if last:
            self._close()
        elif (
            self._waiting
            or self._refusal is not None
            or self._ending
            or self._paused
            or self._owes_continue
        ):
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
            self._close()
        else:
            if self._owes_continue:
                self._owes_continue = False
                self._transport.write(_CONTINUE)
            if self._paused:
                self._paused = False
                self._since = self._loop.time()  # it was we who did not read
                self._transport.resume_reading()

    def _close(self, linger: bool = False) -> None:
        """Closes, as soon as the client has taken what was written.

        Args:
            linger: the client may still be sending. It would lose the answer if its bytes met a
                closed socket, so they are read until it has closed, too (RFC 9112, section 9.6).
        """
        if self._closing:
            return
        self._closing = self._ending = True
        self._since = self._loop.time()
        if not linger or self._silent:
            self._transport.close()
            return
        self._transport.write_eof()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """The client does not take its answers."""
        self._stuck = True
        if not self._closing:
            self._pause()

    def resume_writing(self) -> None:
        """It does again."""
        self._stuck = False
        self._since = self._loop.time()
        if not self._closing:
            self._go_on()

    def _refuse(self, status: HTTPStatus) -> None:
        """What arrives is not taken: earlier requests are answered, then this is said."""
        if self._ending:
            return
        self._refusal, self._ending = status, True
        self._in_head, self._arriving = False, None
        self._go_on()

    def _end(self, status: HTTPStatus) -> None:
        content = f'{{"message":"{_WORDS.get(status, status.phrase)}"}}'.encode()
        head = _STATUS_LINES[status] + self._settings.date
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            head += b"%b: %b\r\n" % RETRY_AFTER
        self._transport.write(
            b"%bcontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            % (head, len(content))
            + content
        )
        self._close(linger=True)

    def check_time(self, now: float) -> None:
        """Ends the connection if the client has taken too long; called every second."""
        settings = self._settings
        waited_s = now - self._since
        if self._stuck or self._closing:
            if waited_s > settings.request_timeout_s:
                self._transport.abort()
        elif self._paused:
            pass  # it is we who do not read
        elif self._in_head or self._arriving is not None:
            if waited_s > settings.request_timeout_s:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        elif self._current is None:
            wait_s = settings.request_timeout_s if self._fresh else settings.idle_timeout_s
            if waited_s > wait_s:
                self._close()

    def finish(self) -> None:
        """Takes no more requests; closes as soon as those that it has are answered."""
        self._ending = True
        if self._closing:
            self._transport.close()  # also where its client was told why, and does not close
        elif self._current is None and not self._waiting:
            self._close()


class _Nobody:
    """A parser's protocol for which nothing is of interest."""
