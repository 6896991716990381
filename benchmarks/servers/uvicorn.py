"""The function inside uvicorn itself: no process, no queue, no gateway between it and HTTP.

As a program (`python -m benchmarks.servers.uvicorn HANDLER`) it is what serves. It follows
Aetherless's protocol for executables where it is one's instance: it serves on
`AETHER_TRIGGER_PORT`, and says READY on `AETHER_SOCKET`; elsewhere it serves on `PORT`.
"""

from __future__ import annotations

import os
import socket
import sys

from benchmarks.servers.base import Server, not_installed


class UvicornInProcess(Server):
    """uvicorn with httptools and uvloop, one process."""

    name = "uvicorn"

    @classmethod
    def missing(cls) -> str | None:
        return not_installed("uvicorn", "httptools", "uvloop")

    def command(self) -> list[str]:
        return program(self.handler)


def program(handler: str) -> list[str]:
    """The command that serves "module:function"."""
    return [sys.executable, "-P", "-m", __name__, handler]


def main() -> None:
    """Serves the handler that is the program's argument."""
    import uvicorn

    from benchmarks.servers._adapter import asgi

    class Ready(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if path := os.environ.get("AETHER_SOCKET"):
                self.line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)  # kept open
                self.line.connect(path)
                self.line.sendall(b"READY")

    config = uvicorn.Config(
        asgi(sys.argv[1]), port=int(os.environ.get("AETHER_TRIGGER_PORT") or os.environ["PORT"]),
        http="httptools", loop="uvloop", lifespan="off", access_log=False, log_level="warning",
    )  # fmt: skip
    Ready(config).run()


if __name__ == "__main__":
    main()
