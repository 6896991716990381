"""The function inside uvicorn itself: no process, no queue, no gateway between it and HTTP."""

from __future__ import annotations

import sys

from benchmarks.servers.base import ADAPTERS, Server, not_installed


class UvicornInProcess(Server):
    """uvicorn with httptools and uvloop, one process."""

    name = "uvicorn"

    @classmethod
    def missing(cls) -> str | None:
        """As `Server.missing`."""
        return not_installed("uvicorn", "httptools", "uvloop")

    def command(self) -> list[str]:
        """As `Server.command`."""
        return [sys.executable, "-P", str(ADAPTERS / "for_uvicorn.py"), self.handler]
