"""HTTP with JSON on a production server: uvicorn with httptools and uvloop, kept alive."""

from __future__ import annotations

import socket
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.transports.base import Client, Payload, Transport, TransportError, cannot_import
from benchmarks.transports.document import from_json, to_json


async def _application(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = to_json(from_json(body))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class HttpJsonUvicorn(Transport):
    """uvicorn (httptools, uvloop) and a client that reads answers with httptools, kept alive."""

    name = "http_json_uvicorn"
    streams = False
    documents = True
    wait = "event loop"

    @classmethod
    def missing(cls) -> str | None:
        return cannot_import("uvicorn", "httptools", "uvloop")

    def serve(self, ready: Connection) -> None:
        import uvicorn

        config = uvicorn.Config(
            _application, http="httptools", loop="uvloop", lifespan="off", access_log=False,
            log_level="critical",
        )  # fmt: skip
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ready.send(listener.getsockname())
            uvicorn.Server(config).run([listener])

    def connect(self, address: Any) -> Client:
        return HttpToolsClient(address)


class HttpToolsClient(Client):
    """POST over one socket, answers parsed by httptools."""

    def __init__(self, address: tuple[str, int]) -> None:
        import httptools

        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser_of = httptools.HttpResponseParser
        self._head = (
            f"POST / HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
            "Content-Type: application/json\r\nContent-Length: "
        ).encode("ascii")
        self._body: list[bytes] = []
        self._done = False

    # What the parser calls.
    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        self._done = True

    def call(self, payload: Payload) -> Payload:
        document = to_json(payload)
        self._body.clear()
        self._done = False
        parser = self._parser_of(self)
        self._socket.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(document), document))
        while not self._done:
            part = self._socket.recv(1 << 18)
            if not part:
                raise EOFError("the server has closed")
            parser.feed_data(part)
        if parser.get_status_code() != 200:
            raise TransportError(f"status {parser.get_status_code()}")
        return from_json(b"".join(self._body))

    def close(self) -> None:
        self._socket.close()
