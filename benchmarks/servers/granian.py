"""The function inside granian, whose HTTP is Rust's (hyper): the other candidate for a gateway."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.servers._adapter import asgi
from benchmarks.servers.base import HOST, Server, not_installed


class GranianInProcess(Server):
    """granian with uvloop, one worker."""

    name = "granian"
    settings = tuple(
        f"GRANIAN_{name}"
        for name in (
            "WORKERS", "RUNTIME_THREADS", "RUNTIME_MODE", "RUNTIME_BLOCKING_THREADS",
            "BLOCKING_THREADS", "TASK_IMPL", "BACKLOG", "BACKPRESSURE", "WORKING_DIR", "UDS",
        )
    )  # fmt: skip

    @classmethod
    def missing(cls) -> str | None:
        return not_installed("granian")

    def command(self) -> list[str]:
        return [
            sys.executable, "-P", "-m", "granian", "--interface", "asginl", "--loop", "uvloop",
            "--no-ws", "--http", "1", "--log-level", "warning",
            "--host", HOST, "--port", str(self.port), "--factory", f"{__name__}:app",
        ]  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return {"AETHER_HANDLER": self.handler}


def app() -> Any:
    """What granian's worker serves; `AETHER_HANDLER` names the handler."""
    return asgi(os.environ["AETHER_HANDLER"])
