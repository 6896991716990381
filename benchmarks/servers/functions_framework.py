"""Google's Functions Framework in production mode: gunicorn with one worker and its threads."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.servers.base import ADAPTERS, HOST, Server
from benchmarks.starts import functions_framework


class FunctionsFramework(Server):
    """`functions-framework`."""

    name = "functions_framework"
    settings = functions_framework.SETTINGS

    @classmethod
    def missing(cls) -> str | None:
        """As `Server.missing`."""
        return functions_framework.FunctionsFramework.missing()

    def command(self) -> list[str]:
        """As `Server.command`."""
        command = functions_framework.program()
        assert command is not None
        return [
            command, "--target", "answer", "--host", HOST, "--port", str(self.port),
            "--source", str(ADAPTERS / "served_by_functions_framework.py"),
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        """As `Server.environment`."""
        return {"AETHER_HANDLER": self.handler, "XDG_RUNTIME_DIR": str(self.folder)}
