"""The function behind `http.server`: argv as for `worker.main`.

It follows the package's protocol for executables, too: it serves at `AETHER_TRIGGER_PORT`, says
READY on `AETHER_SOCKET`, and ends when that connection is closed. Answers carry the moments of its
start, in hex: nothing where its process began, then those of `worker.marks_of`.
"""

from __future__ import annotations

from time import monotonic_ns

_INTERPRETER_NS = monotonic_ns()  # before anything else is imported

import os  # noqa: E402
import select  # noqa: E402
import socket  # noqa: E402
import sys  # noqa: E402
from http.server import BaseHTTPRequestHandler, HTTPServer  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from worker import READY, load, marks_of  # type: ignore[import-not-found]  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable


class _Requests(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    handler: Callable[[bytes], bytes]
    marks: str

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200
        try:
            answer = bytes(type(self).handler(request))
        except Exception as error:
            status, answer = 500, f"{type(error).__name__}: {error}".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Aether-Marks", self.marks)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def main() -> None:
    """Imports, listens, says READY, and serves until the connection is closed."""
    _Requests.handler = staticmethod(load(sys.argv[1], sys.argv[2]))
    _Requests.marks = (bytes(8) + marks_of(_INTERPRETER_NS, monotonic_ns())).hex()
    with (
        HTTPServer(("127.0.0.1", int(os.environ["AETHER_TRIGGER_PORT"])), _Requests) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
    ):
        connection.connect(os.environ["AETHER_SOCKET"])
        connection.sendall(READY)
        while connection not in select.select([server.socket, connection], [], [])[0]:
            server.handle_request()


if __name__ == "__main__":
    main()
