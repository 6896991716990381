"""node_spawn: a fresh Node.js for each instance; the same socket, READY and framing as `spawn`."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from aetherless_py.errors import StrategyMissingError
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases
from aetherless_py.start.launch import launch
from aetherless_py.start.readiness import Door, Folder
from benchmarks.starts.child import Baseline

_WORKER = str(Path(__file__).with_name("node_worker.js"))
# What a function imports, and what Node.js has for it. JSON is part of the language there.
_MODULES = {(): "", ("http.server", "json"): "http"}


def _node() -> str | None:
    return shutil.which("node") or shutil.which("nodejs")


class NodeSpawn(Baseline):
    """A fresh Node.js for each instance. The handler "cold:echo" is `echo` of `cold.js`."""

    name = "node_spawn"

    @classmethod
    def missing(cls) -> str | None:
        return (
            None if _node() else "there is no node here; tools/install_runtimes.sh node brings it"
        )

    def _make(self, function: Function) -> None:
        node, modules = _node(), _MODULES.get(function.imports)
        if modules is None:
            imports = ", ".join(function.imports)
            raise StrategyMissingError(f"{self.name}: Node.js has nothing like {imports}")
        module, _, handler = function.handler.partition(":")
        scripts = [os.path.join(folder, f"{module}.js") for folder in function.path]
        script = next(filter(os.path.exists, scripts), None)
        if script is None:
            raise StrategyMissingError(f"{self.name}: there is no {module}.js for {module}.py")
        assert node is not None
        self._folder = Folder()
        self._command = [node, _WORKER, script, handler, modules]

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        with Attempt(self.name, function) as attempt:
            door = attempt.holds(Door(self._folder, instance_id))
            environment = function.full_environment(AETHER_SOCKET=door.path)
            child = launch(attempt, instance_id, self._command, environment)
            phases.created_ns = time.monotonic_ns()
            connection, phases.ready_ns = door.expect(
                child.pid, child.ended_fd, attempt.output, deadline_of(function, asked_ns)
            )
            return Instance(instance_id, self.name, child, connection, attempt.output, phases)

    def _close(self) -> None:
        if hasattr(self, "_folder"):
            self._folder.close()
