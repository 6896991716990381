"""spawn: a fresh interpreter for each instance, by `posix_spawn`."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping

from aetherless_py.start import process, tree
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, Strategy, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases, Process
from aetherless_py.start.readiness import Door, Folder

_PROGRAM = (
    "from time import monotonic_ns; up = monotonic_ns();"
    " from aetherless_py.start.{module} import main; main(up)"
)


class Lifeline:
    """A pipe that nobody writes to: what holds the other end learns of this process's end."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()

    def close(self) -> None:
        for fd in (self.read_fd, self._write_fd):
            if fd >= 0:
                os.close(fd)
        self.read_fd = self._write_fd = -1


class ChildProcess(Process):
    """A process that this one started itself, and that ends with it.

    Args:
        pid: its id; it leads a session.
        mark: "NAME=value" of its environment, by which what it leaves is known; None where that is
            not its to take along.
        lifeline: it holds the other end.
        adopts: whether the orphans among its descendants become its children, as long as it runs.
    """

    def __init__(
        self, pid: int, mark: str | None, lifeline: Lifeline, *, adopts: bool = True
    ) -> None:
        self.pid, self._mark, self._lifeline, self._adopts = pid, mark, lifeline, adopts
        try:
            self.ended_fd = os.pidfd_open(pid)
        except OSError:  # no descriptor is left: nobody could end it later
            tree.kill_tree(pid)
            os.waitpid(pid, 0)
            raise
        self._status: int | None = None
        self._ending = threading.Lock()

    def end(self) -> int | None:
        """As `Process.end`."""
        with self._ending:
            if self.ended_fd >= 0:
                by_itself = self.ended()
                tree.kill_tree(self.pid)
                with contextlib.suppress(ChildProcessError):  # somebody else has reaped it
                    self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                os.close(self.ended_fd)
                self.ended_fd = -1
                self._lifeline.close()
                if (by_itself or not self._adopts) and self._mark is not None:
                    tree.kill_marked(self._mark)
            return self._status


def python_program(module: str, *arguments: str) -> list[str]:
    """The command line of an interpreter that runs `main` of a module of this folder."""
    return [sys.executable, "-P", "-c", _PROGRAM.format(module=module), *arguments]


def spawn_python(
    module: str, arguments: list[str], environment: Mapping[str, str], fds: dict[int, int]
) -> int:
    """Starts an interpreter that runs `main` of a module of this folder.

    Args:
        module: of `aetherless_py.start`.
        arguments: on its command line.
        environment: its variables.
        fds: which of our descriptors it has as which of its own.

    Returns:
        As `spawn_program`.
    """
    return spawn_program(python_program(module, *arguments), environment, fds)


def spawn_program(
    command: list[str],
    environment: Mapping[str, str],
    fds: dict[int, int],
    closed: Iterable[int] = (),
) -> int:
    """Starts a program, which reads nothing.

    Args:
        command: its path and its arguments.
        environment: its variables.
        fds: which of our descriptors it has as which of its own.
        closed: which of ours it does not have although they are inheritable.

    Returns:
        Its process id; it leads a session of its own.
    """
    # Two steps, since a target may be another's source: first all out of the way.
    high = {target: os.dup(source) for target, source in fds.items()}
    try:
        return os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                *((os.POSIX_SPAWN_DUP2, source, target) for target, source in high.items()),
                *((os.POSIX_SPAWN_CLOSE, fd) for fd in closed),
            ],
            setsid=True,
        )
    finally:
        for source in high.values():
            os.close(source)


def guard(mark: str, folder: str) -> ChildProcess:
    """A process that, when this one ends by whatever cause, puts away what is left of it.

    Args:
        mark: "NAME=value" of the environment of the processes to be killed.
        folder: to be removed.
    """
    lifeline = Lifeline()
    # No mark: another's guard would end this one before it has put away what is its.
    unmarked = {name: value for name, value in os.environ.items() if not name.startswith("AETHER_")}
    pid = spawn_python("guard", [mark, folder], unmarked, {process.LIFELINE: lifeline.read_fd})
    return ChildProcess(pid, None, lifeline)


class Guarded(Strategy):
    """A strategy whose instances carry its mark, by which a guard ends what is left of them."""

    prepared_descriptors = 4
    instance_descriptors = 6

    def _prepare(self, function: Function) -> None:
        self._folder = Folder()
        self._mark = {"AETHER_STRATEGY_ID": new_id()}
        [(name, value)] = self._mark.items()
        self._guard = guard(f"{name}={value}", self._folder.path)

    def _close(self) -> None:
        if hasattr(self, "_guard"):
            self._guard.end()
        if hasattr(self, "_folder"):
            self._folder.close()


class Spawn(Guarded):
    """A fresh interpreter for each instance."""

    name = "spawn"

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        with Attempt(self.name, function) as attempt:
            door = attempt.holds(Door(self._folder, instance_id))
            lifeline = attempt.keeps(Lifeline())
            output = attempt.output
            environment = function.full_environment(
                AETHER_SOCKET=door.path, AETHER_INSTANCE_ID=instance_id, **self._mark
            )
            fds = {1: output.write_fd, 2: output.write_fd, process.LIFELINE: lifeline.read_fd}
            pid = spawn_python("worker", function.arguments(), environment, fds)
            phases.created_ns = time.monotonic_ns()
            child = attempt.process = ChildProcess(
                pid, f"AETHER_INSTANCE_ID={instance_id}", lifeline
            )
            output.close_writer()
            connection, phases.ready_ns = door.expect(
                pid, child.ended_fd, output, deadline_of(function, asked_ns)
            )
            return Instance(instance_id, self.name, child, connection, output, phases)
