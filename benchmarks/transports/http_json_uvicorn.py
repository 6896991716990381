"""HTTP with JSON on a production server: uvicorn with httptools and uvloop, kept alive."""

from __future__ import annotations

import socket
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.transports.base import Client, Payload, PeerGoneError, Transport, cannot_import
from benchmarks.transports.document import from_json, to_json
from benchmarks.transports.streams import set_timeout


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

        class Server(uvicorn.Server):
            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                assert sockets is not None
                ready.send(sockets[0].getsockname())

        config = uvicorn.Config(
            _application, http="httptools", loop="uvloop", lifespan="off", access_log=False,
            log_level="critical", timeout_graceful_shutdown=1,
        )  # fmt: skip
        with socket.create_server(("127.0.0.1", 0)) as listener:
            Server(config).run([listener])

    def connect(self, server: BaseProcess, address: Any) -> Client:
        return HttpToolsClient(address, server, self.timeout_s)


class HttpToolsClient(Client):
    """POST over one socket, answers parsed by httptools."""

    def __init__(
        self, address: tuple[str, int], server: BaseProcess, timeout_s: float | None
    ) -> None:
        import httptools

        self._server = server
        self._socket = socket.create_connection(address)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if timeout_s is not None:
            set_timeout(self._socket, timeout_s)
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
        try:
            self._socket.sendall(b"%b%d\r\n\r\n%b" % (self._head, len(document), document))
            while not self._done:
                part = self._socket.recv(1 << 18)
                if not part:
                    raise PeerGoneError("the server has closed")
                parser.feed_data(part)
        except BlockingIOError:
            raise TimeoutError("no answer came in time") from None
        except (BrokenPipeError, ConnectionResetError):
            raise PeerGoneError("the server has closed") from None
        if parser.get_status_code() != 200:
            raise PeerGoneError(f"status {parser.get_status_code()}")
        return from_json(b"".join(self._body))

    def close(self) -> None:
        self._socket.close()
        if self._server.is_alive():
            self._server.terminate()
