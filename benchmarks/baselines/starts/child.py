"""A program that is not ours as an instance's process: started, known, and ended with this one."""

from __future__ import annotations

import fcntl
import os
import signal
from abc import abstractmethod
from pathlib import Path

from aetherless_py.errors import StrategyMissingError
from aetherless_py.start import process
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, Strategy
from aetherless_py.start.spawn import ChildProcess, Lifeline

FUNCTIONS = str(Path(__file__).resolve().parents[2] / "functions")


class Baseline(Strategy):
    """A strategy that looks for what it needs before it prepares."""

    def _prepare(self, function: Function) -> None:
        if why := self.missing():
            raise StrategyMissingError(f"{self.name}: {why}")
        self._make(function)

    @abstractmethod
    def _make(self, function: Function) -> None:
        """Does what is done once for all instances."""


def launch(
    attempt: Attempt, instance_id: str, command: list[str], environment: dict[str, str]
) -> ChildProcess:
    """Starts a program whose output is the attempt's, and which ends with this process.

    Args:
        attempt: to start an instance; it gets the process.
        instance_id: by which all that the program starts is known.
        command: the program's path and its arguments.
        environment: its variables.

    Returns:
        The process; it leads a session.
    """
    lifeline = attempt.keeps(Lifeline())
    output = attempt.output
    # Two steps, since a target may be another's source: first all out of the way.
    high = [os.dup(fd) for fd in (output.write_fd, lifeline.read_fd)]
    try:
        pid = os.posix_spawn(
            command[0],
            command,
            {**environment, "AETHER_INSTANCE_ID": instance_id},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, high[0], 1),
                (os.POSIX_SPAWN_DUP2, high[0], 2),
                (os.POSIX_SPAWN_DUP2, high[1], process.LIFELINE),
            ],
            setsid=True,
        )
    finally:
        for fd in high:
            os.close(fd)
    child = attempt.process = ChildProcess(pid, f"AETHER_INSTANCE_ID={instance_id}", lifeline)
    output.close_writer()
    _ends_with_us(pid, lifeline.read_fd)
    return child


def _ends_with_us(pid: int, lifeline: int) -> None:
    """Has the kernel kill the program's group when that pipe's last writer, this process, is gone.

    Our own workers ask for it themselves; a program that knows nothing of us cannot, but the
    setting is the pipe's, which both hold.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -pid)
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_RDONLY | os.O_ASYNC | os.O_NONBLOCK)
