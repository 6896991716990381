"""A handler of Lambda's form behind `http.server`: the program has its handler as its argument.

A thread for each connection, which is kept; it listens on `PORT`.
"""

from __future__ import annotations

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from adapter import call, load  # type: ignore[import-not-found]

_handler = load(sys.argv[1])


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        try:
            status, answered, data = call(_handler, headers, body)
        except Exception as error:
            status, answered, data = 500, {}, f"{type(error).__name__}: {error}".encode()
        self.send_response(status)
        for name, value in {**answered, "content-length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = (
        2048  # as others have it; of 5 the sixth of a burst would wait for a second
    )


if __name__ == "__main__":
    with _Server(("127.0.0.1", int(os.environ["PORT"])), _Requests) as server:
        server.serve_forever()
