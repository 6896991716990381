"""container: `interpreter`'s program in an OCI container of its own for each instance.

What is timed is a bare runtime, crun or runc, with a bundle whose root is there already: no image
to pull or unpack, no daemon, no network to set up.
"""

from __future__ import annotations

from benchmarks.starts._launched import LaunchedInstance, SocketInstance, Speaking
from benchmarks.starts._oci import ContainerProcess, Containers, why_no_container
from benchmarks.starts._process import Door

_SOCKET = "/run/aether.sock"  # as the container sees it


class Container(Speaking):
    """A container for each instance."""

    name = "container"
    tells = ("interpreter", "imported")  # the runtime makes the process
    quick = True

    @classmethod
    def missing(cls) -> str | None:
        return why_no_container()

    def _prepare(self) -> None:
        super()._prepare()
        self._containers = Containers.of(self, [_SOCKET])

    def _launch(self) -> LaunchedInstance:
        door = Door(self.folder)
        environment = self.function.full_environment(AETHER_SOCKET=_SOCKET)
        bundle = self._containers.bundle(
            self.command, environment, {_SOCKET: door.path}, own_network=True
        )
        return SocketInstance(ContainerProcess(self._containers, *bundle), door)
