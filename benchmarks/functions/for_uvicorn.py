"""The function inside uvicorn (httptools, uvloop): the program has its handler as its argument.

It follows Aetherless's protocol for executables where it is one's instance: it serves on
`AETHER_TRIGGER_PORT`, and says READY on `AETHER_SOCKET`; elsewhere it serves on `PORT`.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

import uvicorn
from adapter import call, load  # type: ignore[import-not-found]

_handler = load(sys.argv[1])


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The function, as ASGI."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = b""
    if scope["method"] not in ("GET", "HEAD"):
        pieces = []
        while True:
            message = await receive()
            pieces.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        body = b"".join(pieces)
    status, answered, data = call(_handler, headers, body)
    head = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answered.items()]
    head.append((b"content-length", b"%d" % len(data)))
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": data})


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if path := os.environ.get("AETHER_SOCKET"):
            self.line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # kept open
            self.line.connect(path)
            self.line.sendall(b"READY")


if __name__ == "__main__":
    port = int(os.environ.get("AETHER_TRIGGER_PORT") or os.environ["PORT"])
    config = uvicorn.Config(
        app, port=port, http="httptools", loop="uvloop", lifespan="off", access_log=False,
        log_level="warning",
    )  # fmt: skip
    _Server(config).run()
