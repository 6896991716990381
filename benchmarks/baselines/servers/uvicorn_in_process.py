"""The function inside uvicorn itself: no process, no queue, no gateway between it and HTTP."""

from __future__ import annotations

import importlib.util
import sys

from benchmarks.baselines.servers.base import ADAPTERS, Server


class UvicornInProcess(Server):
    """uvicorn with httptools and uvloop, one process."""

    name = "uvicorn"

    @classmethod
    def missing(cls) -> str | None:
        """As `Server.missing`."""
        for module in ("uvicorn", "httptools", "uvloop"):
            if importlib.util.find_spec(module) is None:
                return f"{module} is not installed; python tools/install_peers.py brings it"
        return None

    def command(self) -> list[str]:
        """As `Server.command`."""
        return [sys.executable, "-P", str(ADAPTERS / "for_uvicorn.py"), self.handler]
