"""http_handler: a fresh interpreter with an HTTP server of the standard library."""

from __future__ import annotations

import os
import sys

from benchmarks.starts._launched import HttpInstance, Launched, LaunchedInstance
from benchmarks.starts._process import Door, Port, Process
from benchmarks.starts.base import PROGRAMS


def program(*arguments: str) -> list[str]:
    """The command of an instance: arguments are a handler and its imports."""
    return [sys.executable, os.path.join(PROGRAMS, "for_http_server.py"), *arguments]


class HttpHandler(Launched):
    """`http.server` in a fresh interpreter for each instance."""

    name = "http_handler"
    quick = True

    def _launch(self) -> LaunchedInstance:
        door, port = Door(self.folder), Port()
        environment = self.function.full_environment(
            AETHER_SOCKET=door.path, AETHER_TRIGGER_PORT=str(port.number)
        )
        process = Process(program(*self.function.arguments()), environment)
        return _Instance(process, port, door)


class _Instance(HttpInstance):
    def __init__(self, process: Process, port: Port, door: Door) -> None:
        super().__init__(process, port, door)
        self._door = door

    def expect(self, deadline_ns: int) -> int:
        connection, ready_ns = self._door.expect(self.process, deadline_ns)
        self.kept.append(connection)
        return ready_ns
