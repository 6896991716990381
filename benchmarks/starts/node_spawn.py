"""node_spawn: a fresh Node.js for each instance; the same socket, READY and framing as others."""

from __future__ import annotations

import os
import shutil

from benchmarks.starts._launched import Speaking
from benchmarks.starts.base import PROGRAMS

# What a function imports, and what Node.js has for it. JSON is part of the language there.
_MODULES = {(): "", ("http.server", "json"): "http"}


def _node() -> str | None:
    return shutil.which("node") or shutil.which("nodejs")


class NodeSpawn(Speaking):
    """A fresh Node.js for each instance. The handler "cold:echo" is `echo` of `cold.js`."""

    name = "node_spawn"
    imports = ("bare", "http")

    @classmethod
    def missing(cls) -> str | None:
        return (
            None if _node() else "there is no node here; tools/install_runtimes.sh node brings it"
        )

    def _prepare(self) -> None:
        super()._prepare()
        function = self.function
        node, modules = _node(), _MODULES.get(function.imports)
        if modules is None:
            imports = ", ".join(function.imports)
            raise NotImplementedError(f"{self.name}: Node.js has nothing like {imports}")
        module, _, handler = function.handler.partition(":")
        scripts = [os.path.join(folder, f"{module}.js") for folder in (*function.path, PROGRAMS)]
        script = next(filter(os.path.exists, scripts), None)
        if script is None:
            raise NotImplementedError(f"{self.name}: there is no {module}.js for {module}.py")
        assert node is not None
        self.command = [node, os.path.join(PROGRAMS, "worker.js"), script, handler, modules]
