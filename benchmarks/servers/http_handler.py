"""The standard library's HTTP server, with a thread for each connection, which is kept.

As a program (`python -m benchmarks.servers.http_handler HANDLER`) it is what serves, on `PORT`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.servers._adapter import call, load
from benchmarks.servers.base import HOST, Server


class HttpHandler(Server):
    """`http.server`, one process."""

    name = "http_handler"

    def command(self) -> list[str]:
        return [sys.executable, "-P", "-m", __name__, self.handler]


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    function: Callable[[Any, Any], Any]

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        try:
            status, answered, data = call(type(self).function, headers, body)
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


class _Listener(ThreadingHTTPServer):
    # As others have it; of 5 the sixth of a burst would wait for a second.
    request_queue_size = 2048


if __name__ == "__main__":
    _Requests.function = staticmethod(load(sys.argv[1]))
    with _Listener((HOST, int(os.environ["PORT"])), _Requests) as listener:
        listener.serve_forever()
