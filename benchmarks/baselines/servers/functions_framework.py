"""Google's Functions Framework in production mode: gunicorn with one worker and its threads."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping

from benchmarks.baselines.servers.base import ADAPTERS, HOST, Server


class FunctionsFramework(Server):
    """`functions-framework`."""

    name = "functions_framework"

    @classmethod
    def missing(cls) -> str | None:
        """As `Server.missing`."""
        if _command():
            return None
        return "functions-framework is not installed; python tools/install_peers.py brings it"

    def command(self) -> list[str]:
        """As `Server.command`."""
        command = _command()
        assert command is not None
        return [
            command, "--target", "answer", "--host", HOST, "--port", str(self.port),
            "--source", str(ADAPTERS / "served_by_functions_framework.py"),
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        """As `Server.environment`."""
        return {"AETHER_HANDLER": self.handler, "XDG_RUNTIME_DIR": str(self.folder)}


def _command() -> str | None:
    return shutil.which("functions-framework", path=os.path.dirname(sys.executable))
