"""What runs in an instance that speaks with the suite: imports, READY, then requests to the end.

It connects to the Unix socket that `AETHER_SOCKET` names. A request is its length (4 bytes, little
endian) and its bytes. An answer is a head of 24 bytes (status: 0 for an answer, 1 for an error's
text; 3 bytes nothing; length; when the interpreter was up, and when the imports were done, as
CLOCK_MONOTONIC in ns) and its bytes.

Only built-in modules are imported here: what this file needs, every cold start pays for.
"""

from __future__ import annotations

import _socket
import os
import sys
from time import monotonic_ns

TYPE_CHECKING = False  # without the 4 ms that `typing` takes
if TYPE_CHECKING:
    from collections.abc import Callable

    Handler = Callable[[bytes], bytes]

READY = b"READY"


def load(handler: str, imports: str) -> Handler:
    """Imports what the function needs and gives its handler.

    Args:
        handler: "module:function".
        imports: names of modules, with commas between them.
    """
    for module in filter(None, imports.split(",")):
        __import__(module)
    module, _, name = handler.partition(":")
    __import__(module)
    found: Handler = getattr(sys.modules[module], name)
    return found


def marks_of(interpreter_ns: int, imported_ns: int) -> bytes:
    """The moments of this process's start, as answers carry them."""
    return interpreter_ns.to_bytes(8, "little") + imported_ns.to_bytes(8, "little")


def main(interpreter_ns: int) -> None:
    """The program: argv has the handler and its imports."""
    handler = load(sys.argv[1], sys.argv[2])
    marks = marks_of(interpreter_ns, monotonic_ns())
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(os.environ["AETHER_SOCKET"])
    connection.sendall(READY)
    while head := _receive(connection, 4):
        request = _receive(connection, int.from_bytes(head, "little"))
        status = b"\0\0\0\0"
        try:
            answer = bytes(handler(request))
        except Exception as error:
            status, answer = b"\1\0\0\0", f"{type(error).__name__}: {error}".encode()
        connection.sendall(status + len(answer).to_bytes(4, "little") + marks + answer)


def _receive(connection: _socket.socket, count: int) -> bytes:
    """So many bytes; fewer where the other end has closed."""
    data = b""
    while len(data) < count and (more := connection.recv(count - len(data))):
        data = data + more if data else more
    return data
