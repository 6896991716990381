"""executable: any program that follows the handler protocol, a process for each instance.

It listens on 127.0.0.1 at `AETHER_TRIGGER_PORT`, connects to the Unix socket that `AETHER_SOCKET`
names, says READY there, and serves HTTP. When that connection is closed nobody will ask any more,
and it may end.
"""

from __future__ import annotations

import shutil
import time

from aetherless_py.errors import StartError
from aetherless_py.start import tree
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.http_instance import HttpInstance, Port
from aetherless_py.start.instance import Phases
from aetherless_py.start.launch import launch
from aetherless_py.start.readiness import Door
from aetherless_py.start.spawn import Guarded


class Executable(Guarded):
    """A program for each instance: what it is told is in its environment."""

    name = "executable"
    takes = "command"

    def _prepare(self, function: Function) -> None:
        program, *arguments = self._command_of(function)
        path = shutil.which(program, path=function.full_environment().get("PATH"))
        if path is None:
            raise StartError(
                f"{self.name}: {function.name}: there is no {program} that can be executed"
            )
        self._command = [path, *arguments]
        super()._prepare(function)

    def _command_of(self, function: Function) -> list[str]:
        return list(function.command)

    def _start(self, function: Function, asked_ns: int) -> HttpInstance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        with Attempt(self.name, function) as attempt:
            door = attempt.holds(Door(self._folder, instance_id))
            port = attempt.keeps(Port())
            environment = function.full_environment(
                AETHER_SOCKET=door.path, AETHER_TRIGGER_PORT=str(port.number), **self._mark
            )
            child = launch(attempt, instance_id, self._command, environment)
            phases.created_ns = time.monotonic_ns()
            connection, phases.ready_ns = door.expect(
                # A program that only starts another one has that say it.
                lambda pid: tree.belongs(pid, child.pid),
                child.ended_fd,
                attempt.output,
                deadline_of(function, asked_ns),
            )
            return HttpInstance(
                instance_id, self.name, child, port, connection, attempt.output, phases
            )
