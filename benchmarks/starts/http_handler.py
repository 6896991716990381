"""http_handler: a fresh interpreter with an HTTP server of the standard library."""

from __future__ import annotations

import os
import sys

from benchmarks.starts._launched import HttpInstance, Launched, LaunchedInstance
from benchmarks.starts._process import Door, Process, free_port
from benchmarks.starts.base import PROGRAMS


def program(*arguments: str) -> list[str]:
    """The command of an instance: arguments are a handler and its imports."""
    return [sys.executable, os.path.join(PROGRAMS, "for_http_server.py"), *arguments]


class HttpHandler(Launched):
    """`http.server` in a fresh interpreter for each instance."""

    name = "http_handler"
    quick = True

    def _launch(self) -> LaunchedInstance:
        door, port = Door(self.folder), free_port()
        environment = self.function.full_environment(
            AETHER_SOCKET=door.path, AETHER_TRIGGER_PORT=str(port.getsockname()[1])
        )
        process = Process(program(*self.function.arguments()), environment)
        return HttpInstance(process, door, port)
