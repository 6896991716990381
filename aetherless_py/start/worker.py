"""What runs inside an instance's process: imports, READY, then requests until the line is cut.

Only built-in modules are imported here: what this file needs, every cold start pays for.

A request is its length (4 bytes, little endian) and its bytes. An answer is a head of 32 bytes
(status: 0 for an answer, 1 for an error's text; 3 bytes nothing; length; when the process began,
when its interpreter was up, when its imports were done, as CLOCK_MONOTONIC in ns, 0 where that is
not known) and its bytes.
"""

from __future__ import annotations

import _socket
import os
import sys
from time import monotonic_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[bytes], bytes]  # or one with `serve_connection`

READY = b"READY"
FOLDER = "AETHER_FOLDER"  # in which the function works; it stays where it is where this is empty
MARKS_BYTES = 24
HEAD_BYTES = 8 + MARKS_BYTES


def load(handler: str, imports: str) -> Handler:
    """Imports what the function needs, in its folder, and gives its handler.

    A class is one that speaks with the runtime itself: an object of it is made now, before READY.
    """
    if folder := os.environ.get(FOLDER):
        os.chdir(folder)
    for module in filter(None, imports.split(",")):
        __import__(module)
    module, _, name = handler.partition(":")
    __import__(module)
    found: Handler = getattr(sys.modules[module], name)
    return found() if isinstance(found, type) else found


def receive(connection: _socket.socket, count: int) -> bytes | None:
    """So many bytes; None when the other end has closed."""
    data = connection.recv(count)
    while data and len(data) < count:
        more = connection.recv(count - len(data))
        data = data + more if more else b""
    return data if data or not count else None


def serve(connection: _socket.socket, handler: Handler, marks: bytes) -> None:
    """Answers requests until the runtime closes the connection.

    Args:
        connection: to the runtime, which was told READY.
        handler: of the function.
        marks: the three moments of the answers' heads.
    """
    if hasattr(handler, "serve_connection"):
        handler.serve_connection(connection, marks)
        return
    while (head := receive(connection, 4)) is not None:
        request = receive(connection, int.from_bytes(head, "little"))
        if request is None:
            return
        status = b"\0\0\0\0"
        try:
            answer = bytes(handler(request))
        except Exception as error:
            status, answer = b"\1\0\0\0", f"{type(error).__name__}: {error}".encode()[:65536]
        connection.sendall(status + len(answer).to_bytes(4, "little") + marks + answer)


def marks_of(created_ns: int, interpreter_ns: int, imported_ns: int) -> bytes:
    """The moments of this process's start, as answers carry them."""
    return b"".join(
        each.to_bytes(8, "little") for each in (created_ns, interpreter_ns, imported_ns)
    )


def main(interpreter_ns: int) -> None:
    """The program of a fresh instance: argv has the handler and its imports."""
    from aetherless_py.start import process

    process.take_over(process.LIFELINE)
    process.die_with(process.LIFELINE)
    process.adopt_orphans()  # those of the imports, too
    handler = load(sys.argv[1], sys.argv[2])
    imported_ns = monotonic_ns()
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(os.environ["AETHER_SOCKET"])
    connection.sendall(READY)
    serve(connection, handler, marks_of(0, interpreter_ns, imported_ns))
