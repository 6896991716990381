"""A container that serves the function: `uvicorn`'s program inside of one, reached directly.

The OCI runtime (crun, or runc) makes it with namespaces, a cgroup and a read-only root, as
`starts.container` does; it has this machine's network, though, as by `docker run
--network host`, and listens on the loopback itself. A network of its own would put a bridge and
address translation, or a proxy, between it and its clients: what that costs others is not counted
here, and containers have nothing in front of them. One container takes all requests, as its server
can; that it is there already is what the first request finds.

Its first process is the runtime, which waits for the container's. Should the process that measures
be killed, a watcher removes the container (`starts._oci_cleanup`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from benchmarks.servers.base import ROOT
from benchmarks.servers.uvicorn import UvicornInProcess
from benchmarks.starts._oci import Containers, why_no_container


class Container(UvicornInProcess):
    """uvicorn in a container."""

    name = "container"

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or why_no_container()

    def command(self) -> list[str]:
        """Makes the container's bundle, too."""
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        paths = [str(self.library), *filter(None, given)]
        self._containers = Containers([*paths, str(ROOT / "benchmarks")])
        bundle, self._variables = self._containers.bundle(
            super().command(),
            {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(paths),
                "PORT": str(self.port),
                "TMPDIR": "/tmp",
            },
            own_network=False,
        )
        return self._containers.command(bundle)

    def environment(self) -> Mapping[str, str]:
        """Of the runtime, which is asked for after its command."""
        return self._variables

    def _end(self) -> None:
        super()._end()
        if hasattr(self, "_containers"):
            self._containers.close()  # with all that is left of the container
