"""What a request and its response look like in a channel: a head of lines, and the body's bytes.

    | length of the head (u32, little endian) | head | body |

Lines are divided by a line feed, which no part may hold; text is Latin-1, as HTTP's. A request's
head: its id, method, path and query as they came, the client's address, when it came (ns since the
epoch), when it must be answered (CLOCK_MONOTONIC in ns), and a line "name:value" for each header. A
response's: the status, how long the function took (ns), "ok" or "error" for what the function did,
and its headers. Nothing else is read from a peer, and nothing is evaluated.

Only what is built in is imported here: each instance of a function pays for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Buffer = bytes | bytearray | memoryview
    Headers = list[tuple[str, str]]

LENGTH_BYTES = 4
HEAD_LIMIT_BYTES = 1 << 17  # of a head that is read


class WireError(ValueError):
    """A message makes no sense."""


class Request:
    """A request, as the function's process has it.

    Attributes:
        id: the request's own.
        method, path, query, client: as they came; path and query are still percent-encoded.
        received_ns: when it came, in ns since the epoch.
        deadline_ns: when it must be answered, on CLOCK_MONOTONIC; 0 for `REHEARSAL`.
        headers: names in lower case, as they came, in order.
        body: its bytes, in the ring's own memory: not to be kept.
    """

    __slots__ = (
        "body", "client", "deadline_ns", "headers", "id", "method", "path", "query", "received_ns",
    )  # fmt: skip

    def __init__(self, message: memoryview) -> None:
        """Reads one.

        Raises:
            WireError: it is none.
        """
        head, self.body = _divide(message)
        try:
            (
                self.id, self.method, self.path, self.query, self.client, received, deadline, *rest
            ) = head.decode("latin-1").split("\n")  # fmt: skip
            self.received_ns, self.deadline_ns = int(received), int(deadline)
        except ValueError:
            raise WireError("the head is no request's") from None
        self.headers: Headers = []
        for line in rest:
            name, _, value = line.partition(":")
            self.headers.append((name, value))


class Response:
    """A response, as the gateway has it.

    Attributes:
        status: of HTTP.
        function_ns: how long the function took.
        failed: whether the function raised, or gave what is no answer.
        headers: names in lower case, for the client, as bytes.
        body: its bytes.
    """

    __slots__ = ("body", "failed", "function_ns", "headers", "status")

    def __init__(self, message: Buffer) -> None:
        """Reads one.

        Raises:
            WireError: it is none.
        """
        head, self.body = _divide(memoryview(message))
        if b"\r" in head or b"\0" in head:
            raise WireError("a header holds what HTTP does not allow")
        try:
            status, took, outcome, *rest = head.split(b"\n")
            self.status, self.function_ns = int(status), int(took)
        except ValueError:
            raise WireError("the head is no response's") from None
        if not 200 <= self.status <= 599 or outcome not in (b"ok", b"error"):
            raise WireError(f"status {self.status}, outcome {outcome!r}")
        self.failed = outcome == b"error"
        self.headers: list[tuple[bytes, bytes]] = []
        for line in rest:
            name, colon, value = line.partition(b":")
            if not colon or not name:
                raise WireError(f"{line[:40]!r} is no header")
            self.headers.append((name, value))


def request(
    request_id: str,
    method: str,
    path: bytes,
    query: bytes,
    client: str,
    received_ns: int,
    deadline_ns: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: Iterable[Buffer],
) -> list[Buffer]:
    """A request's message, in the parts that it is made of; `headers` have no line feeds."""
    lines = [
        f"{request_id}\n{method}".encode("latin-1"),
        path,
        query,
        f"{client}\n{received_ns}\n{deadline_ns}".encode("latin-1"),
    ]
    lines += [name + b":" + value for name, value in headers]
    head = b"\n".join(lines)
    return [len(head).to_bytes(LENGTH_BYTES, "little") + head, *body]


# What an instance is asked before a client asks it: it does all that it does with a request except
# calling the handler, so that the first request finds nothing done for the first time.
REHEARSAL = b"".join(
    request(
        "",
        "POST",
        b"/",
        b"a=b",
        "127.0.0.1",
        0,
        0,
        [(b"host", b"localhost"), (b"content-type", b"text/plain")],
        [b"rehearsal"],
    )
)


def response(
    status: int, function_ns: int, failed: bool, headers: Headers, body: Buffer
) -> list[Buffer]:
    """A response's message, in the parts that it is made of.

    Raises:
        ValueError: a header holds what HTTP does not allow.
    """
    lines = [f"{status}\n{function_ns}\n{'error' if failed else 'ok'}"]
    for name, value in headers:
        if not name or not name.isascii() or not name.isprintable() or " " in name or ":" in name:
            raise ValueError(f"{name!r} is no header's name")
        if not value.isprintable() and ("\n" in value or "\r" in value or "\0" in value):
            raise ValueError(f"the header {name!r} holds a line's end")
        lines.append(f"{name.lower()}:{value}")
    try:
        head = "\n".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError("a header holds characters that are not Latin-1") from None
    if len(head) > HEAD_LIMIT_BYTES:
        raise ValueError(f"headers of {len(head)} bytes: at most {HEAD_LIMIT_BYTES}")
    return [len(head).to_bytes(LENGTH_BYTES, "little") + head, body]


def _divide(message: memoryview) -> tuple[bytes, memoryview]:
    end = LENGTH_BYTES + int.from_bytes(message[:LENGTH_BYTES], "little")
    if not LENGTH_BYTES < end <= min(len(message), HEAD_LIMIT_BYTES + LENGTH_BYTES):
        raise WireError("the head's length makes no sense")
    return bytes(message[LENGTH_BYTES:end]), message[end:]
