"""http_handler: a fresh interpreter with an HTTP server of the standard library.

It binds the port that `PORT` names on the loopback, and says READY on `AETHER_SOCKET` when it
listens; that connection, once closed, ends it. Requests come over HTTP.
"""

from __future__ import annotations

import os
import sys
import time

from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases
from aetherless_py.start.readiness import Door, Folder
from benchmarks.baselines.starts.child import FUNCTIONS, Baseline, launch
from benchmarks.baselines.starts.http_instance import HttpInstance, Port

_PROGRAM = os.path.join(FUNCTIONS, "for_http_server.py")


class HttpHandler(Baseline):
    """`http.server` in a fresh interpreter for each instance."""

    name = "http_handler"

    def _make(self, function: Function) -> None:
        self._folder = Folder()

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        with Attempt(self.name, function) as attempt:
            door = attempt.holds(Door(self._folder, instance_id))
            port = attempt.keeps(Port())
            child = launch(
                attempt,
                instance_id,
                [sys.executable, "-P", _PROGRAM, *function.arguments()],
                function.full_environment(AETHER_SOCKET=door.path, PORT=str(port.number)),
            )
            phases.created_ns = time.monotonic_ns()
            connection, phases.ready_ns = door.expect(
                child.pid, child.ended_fd, attempt.output, deadline_of(function, asked_ns)
            )
            return HttpInstance(
                instance_id, self.name, child, port, connection, attempt.output, phases
            )

    def _close(self) -> None:
        if hasattr(self, "_folder"):
            self._folder.close()
