"""The function inside uvicorn (httptools, uvloop): the program has its handler as its argument.

It follows Aetherless's protocol for executables where it is one's instance: it serves on
`AETHER_TRIGGER_PORT`, and says READY on `AETHER_SOCKET`; elsewhere it serves on `PORT`.
"""

from __future__ import annotations

import os
import socket
import sys

import uvicorn
from asgi import application  # type: ignore[import-not-found]


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
        application(sys.argv[1]), port=port, http="httptools", loop="uvloop", lifespan="off",
        access_log=False, log_level="warning",
    )  # fmt: skip
    _Server(config).run()
