"""container: `interpreter`'s program in an OCI container of its own for each instance.

What is timed is a bare runtime, crun or runc, with a bundle whose root is there already: no image
to pull or unpack, no daemon, no network to set up.
"""

from __future__ import annotations

from typing import Any

from benchmarks.starts._launched import LaunchedInstance, SocketInstance, Speaking
from benchmarks.starts._oci import Containers, why_no_container
from benchmarks.starts._process import Door
from benchmarks.starts.interpreter import program

_SOCKET = "/run/aether.sock"  # as the container sees it


class Container(Speaking):
    """A container for each instance."""

    name = "container"
    tells = ("interpreter", "imported")  # the runtime makes the process
    quick = True

    @classmethod
    def missing(cls) -> str | None:
        """As `Way.missing`."""
        return why_no_container()

    def _prepare(self) -> None:
        super()._prepare()
        self.command = program(self.function)
        self._containers = Containers(self.function.search_path(), [_SOCKET])

    def _launch(self) -> LaunchedInstance:
        door = Door(self.folder)
        environment = self.function.full_environment(AETHER_SOCKET=_SOCKET)
        binds = {_SOCKET: door.path}
        container = self._containers.launch(self.command, environment, binds, own_network=True)
        return SocketInstance(container, door)

    def facts(self) -> dict[str, Any]:
        """As `Way.facts`: which runtime makes them."""
        return {"runtime": self._containers.runtime}

    def _close(self) -> None:
        if hasattr(self, "_containers"):
            self._containers.close()
        super()._close()
