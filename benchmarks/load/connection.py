"""One kept connection: sends a request, parses its answer, tells its owner how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sys
import termios
from collections.abc import Callable
from typing import Protocol, TypeAlias, cast

from benchmarks.harness.clock import now_ns
from benchmarks.load import outcomes

with contextlib.suppress(ImportError):  # asv imports this file also where it is missing
    import httptools

Headers: TypeAlias = list[tuple[bytes, bytes]]
# Raises whatever it likes where (status, headers, body) are not what they should be; may give a
# label of the answer, which is kept beside it.
Check: TypeAlias = Callable[[int, Headers, bytes], str | None]

NONE = -1  # no request under way
SHOWN_BYTES = 80  # of a body that is an example of a failure
LARGEST_BYTES = 1 << 27  # of an answer: one without an end must not take this machine's memory
_CONTROLS = bytes({*range(0x20), 0x7F} - {ord("\t")})
_TAB_AS_SPACE = bytes.maketrans(b"\t", b" ")


class Owner(Protocol):
    """Whoever holds connections."""

    wire: bytes
    check: Check

    def answered(
        self,
        connection: Connection,
        outcome: int,
        at_ns: int,
        why: str,
        keep: bool,
        label: str | None,
    ) -> None:
        """The request under way has ended; the label is the check's, of a right answer."""

    def unsent(self, connection: Connection) -> None:
        """The kept connection had been closed before the request under way reached the server."""

    def lost(self, connection: Connection) -> None:
        """The connection is over; no request was under way."""


def succeeded(status: int, _headers: Headers, _body: bytes) -> None:
    """The check where none is named: any 2xx.

    Raises:
        ValueError: another status.
    """
    if not 200 <= status < 300:
        raise ValueError(f"status {status}")


class Connection(asyncio.Protocol):
    """HTTP/1.1 without pipelining.

    Attributes:
        request: index of the one under way, or `NONE`.
        sent_ns: when it was sent.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self.request = NONE
        self.sent_ns = 0
        self._came_bytes = 0
        self._parser = httptools.HttpResponseParser(self)
        # So that it reads folded headers; what else that lets through, `on_header` refuses.
        self._parser.set_dangerous_leniencies(lenient_headers=True)
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._has_head = self._is_framed = self._is_whole = self._has_more = self._keep = False
        self._is_kept = False

    def send(self, request: int, at_ns: int, is_kept: bool) -> None:
        """Sends the owner's request.

        Args:
            request: its index.
            at_ns: the time now.
            is_kept: whether the connection was there before; else it was opened for the request.
        """
        self.request = request
        self.sent_ns = at_ns
        self._is_kept = is_kept
        self._came_bytes = 0
        self._has_head = False
        self._transport.write(self._owner.wire)

    def abort(self) -> None:
        """Ends at once and says nothing more."""
        self.request = NONE
        self._transport.abort()

    # -- from the event loop --

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is up."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A piece of an answer, whose time is that of its last piece."""
        at_ns = now_ns()
        if self.request == NONE:  # nobody asked
            self._transport.abort()
            return
        self._came_bytes += len(data)
        if self._came_bytes > LARGEST_BYTES:
            self._end(outcomes.WRONG, at_ns, f"more than {LARGEST_BYTES >> 20} MiB", False)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._end(outcomes.WRONG, at_ns, "it changes to another protocol", False)
            return
        except httptools.HttpParserError as error:
            why = error.__context__ or error  # what a callback has raised, or the parser itself
            self._end(outcomes.WRONG, at_ns, f"not an answer of HTTP/1.1: {why}", False)
            return
        if self._has_more:
            self._end(outcomes.WRONG, at_ns, "more than one answer", False)
        elif self._is_whole:
            self._judge(at_ns, self._keep)

    def eof_received(self) -> None:
        """The end of an answer that is framed by nothing else (RFC 9112, section 6.3), or of a
        connection that the server had closed without a word."""
        if self.request == NONE:
            return
        if self._has_head and not self._is_framed:
            self._judge(now_ns(), False)
        elif self._is_kept and not self._came_bytes and self._is_unsent():
            self._owner.unsent(self)

    def _is_unsent(self) -> bool:
        """Whether the whole request is still here, unacknowledged: the server cannot have seen it,
        since its kernel acknowledges what has come with the end of the connection."""
        there = self._transport.get_extra_info("socket").fileno()
        queued = int.from_bytes(fcntl.ioctl(there, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
        return queued + self._transport.get_write_buffer_size() >= len(self._owner.wire)

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        if self.request == NONE:
            self._owner.lost(self)
        else:
            why = str(error or "the connection was closed before the answer was whole")
            self._end(outcomes.RESET, now_ns(), why, False)

    # -- from the parser --

    def on_message_begin(self) -> None:
        """An answer begins."""
        self._has_more = self._is_whole
        self._has_head = self._is_framed = False
        self._headers = []
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, which may have been folded: a space in place of that (RFC 9112, 5.2)."""
        plain = value.translate(_TAB_AS_SPACE, _CONTROLS)
        if len(plain) != len(value):
            raise ValueError(f"control characters in the header {name!r}")
        self._headers.append((name, plain))
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._is_framed = True

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._has_head = True

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """The answer is whole, unless it is an interim one (RFC 9110, section 15.2)."""
        self._is_whole = self._parser.get_status_code() >= 200
        self._keep = self._parser.should_keep_alive()  # which it forgets afterwards

    def _judge(self, at_ns: int, keep: bool) -> None:
        status, body = self._parser.get_status_code(), b"".join(self._body)
        if status >= outcomes.FIRST_BAD_STATUS:
            self._end(status, at_ns, f"status {status}: {body[:SHOWN_BYTES]!r}", keep)
            return
        try:
            label = self._owner.check(status, self._headers, body)
        except Exception as wrong:
            self._end(outcomes.WRONG, at_ns, str(wrong) or type(wrong).__name__, keep)
        else:
            self._end(outcomes.OK, at_ns, "", keep, label)

    def _end(
        self, outcome: int, at_ns: int, why: str, keep: bool, label: str | None = None
    ) -> None:
        self._is_whole = self._has_more = False
        self._owner.answered(self, outcome, at_ns, why, keep, label)
