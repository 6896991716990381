"""A program that is not ours as an instance's process: started, known, and ended with this one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal

from aetherless_py.start import process
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.spawn import ChildProcess, Lifeline, spawn_program


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
    fds = {1: output.write_fd, 2: output.write_fd, process.LIFELINE: lifeline.read_fd}
    environment = {**environment, "AETHER_INSTANCE_ID": instance_id}
    pid = spawn_program(command, environment, fds, _inheritable())
    _ends_with_us(pid, lifeline.read_fd)
    mark = f"AETHER_INSTANCE_ID={instance_id}"
    child = attempt.process = ChildProcess(pid, mark, lifeline, adopts=False)
    output.close_writer()
    return child


def _inheritable() -> list[int]:
    """Descriptors that a program would get; our own workers close them by themselves."""
    found = []
    # Above a limit that was lowered since, posix_spawn takes none for one.
    limit = os.sysconf("SC_OPEN_MAX")
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # closed meanwhile
            if process.LIFELINE < fd < limit and os.get_inheritable(fd):
                found.append(fd)
    return found


def _ends_with_us(pid: int, lifeline: int) -> None:
    """Has the kernel kill the program's group when that pipe's last writer, this process, is gone.

    Our own workers ask for it themselves; a program that knows nothing of us cannot, but the
    setting is the pipe's, which both hold.
    """
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -pid)
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_RDONLY | os.O_ASYNC | os.O_NONBLOCK)
