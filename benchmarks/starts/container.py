"""container: `spawn`'s program in an OCI container of its own for each instance.

What is timed is a bare runtime, crun or runc, with a bundle whose root is there already: no image
to pull or unpack, no daemon, no network to set up.
"""

from __future__ import annotations

import sys

from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases
from aetherless_py.start.readiness import Door
from benchmarks.starts.child import Baseline
from benchmarks.starts.oci import Containers, why_no_container

_PROGRAM = (
    "from time import monotonic_ns; up = monotonic_ns();"
    " from aetherless_py.start.worker import main; main(up)"
)
_SOCKET = "/run/aether.sock"  # as the container sees it


class Container(Baseline):
    """A container for each instance.

    Attributes:
        runtime: the path of the OCI runtime that makes them, once prepared.
    """

    name = "container"

    @classmethod
    def missing(cls) -> str | None:
        return why_no_container()

    def _make(self, function: Function) -> None:
        self._containers = Containers(function, [_SOCKET])
        self.runtime = self._containers.runtime

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        with Attempt(self.name, function) as attempt:
            door = attempt.holds(Door(self._containers.folder, instance_id))
            container = self._containers.launch(
                attempt,
                instance_id,
                [sys.executable, "-P", "-c", _PROGRAM, *function.arguments()],
                function.full_environment(AETHER_SOCKET=_SOCKET),
                {_SOCKET: door.path},
                own_network=True,
            )
            connection, phases.ready_ns = door.expect(
                container.is_first,
                container.ended_fd,
                attempt.output,
                deadline_of(function, asked_ns),
            )
            container.appeared()
            return Instance(instance_id, self.name, container, connection, attempt.output, phases)

    def _close(self) -> None:
        if hasattr(self, "_containers"):
            self._containers.close()
