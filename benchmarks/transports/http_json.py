"""HTTP with JSON on the standard library: a new connection for each request, and one kept alive."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler, HTTPServer
from multiprocessing.connection import Connection
from typing import Any, ClassVar

from benchmarks.transports.base import Client, Payload, Transport, TransportError
from benchmarks.transports.document import from_json, to_json


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together

    def do_POST(self) -> None:
        body = to_json(from_json(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class HttpJson(Transport):
    """`http.server` and `http.client`, a new connection for each request."""

    name = "http_json"
    quick = ("echo",)
    streams = False
    documents = True
    keep_alive: ClassVar[bool] = False

    def serve(self, ready: Connection) -> None:
        with HTTPServer(("127.0.0.1", 0), _Handler) as server:
            ready.send(server.server_address)
            server.serve_forever()

    def connect(self, address: Any) -> Client:
        return HttpClient(address, self.keep_alive)


class HttpJsonKeepalive(HttpJson):
    """`http.server` and `http.client`, one connection kept alive."""

    name = "http_json_keepalive"
    keep_alive = True


class HttpClient(Client):
    """JSON documents by POST."""

    def __init__(self, address: tuple[str, int], keep_alive: bool) -> None:
        self._keep_alive = keep_alive
        self._connection = http.client.HTTPConnection(*address)
        self._headers = {"Content-Type": "application/json"}
        if not keep_alive:
            self._headers["Connection"] = "close"

    def call(self, payload: Payload) -> Payload:
        self._connection.request("POST", "/", to_json(payload), self._headers)
        response = self._connection.getresponse()
        body = response.read()
        if not self._keep_alive:
            self._connection.close()
        if response.status != 200:
            raise TransportError(f"status {response.status}")
        return from_json(body)

    def close(self) -> None:
        self._connection.close()
