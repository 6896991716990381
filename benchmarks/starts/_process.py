"""Programs that are started for an instance: waited for, and ended, whatever becomes of us."""

from __future__ import annotations

import fcntl
import os
import secrets
import select
import signal
import socket
import tempfile
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from benchmarks.starts.base import StartError

if TYPE_CHECKING:
    from _typeshed import HasFileno

HOST = "127.0.0.1"
_READY = b"READY"
_LIFELINE = 3  # the descriptor by which a program ends with this process


class Process:
    """A program that leads a session, and ends with this process.

    Args:
        command: its path and its arguments.
        environment: its variables.

    Attributes:
        pid: its id.
        ended_fd: becomes readable when it has ended; -1 when it was reaped.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        lifeline, self._held = os.pipe()
        printed = self._output.fileno()
        try:
            self.pid = os.posix_spawn(
                command[0],
                command,
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, printed, 1),
                    (os.POSIX_SPAWN_DUP2, printed, 2),
                    (os.POSIX_SPAWN_DUP2, lifeline, _LIFELINE),
                ],
                setsid=True,
            )
            # The kernel kills its group when the pipe's only writer, this process, is gone. The
            # setting is the pipe's, so that the program need not know of it.
            fcntl.fcntl(lifeline, fcntl.F_SETOWN, -self.pid)
            fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
            fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_RDONLY | os.O_ASYNC | os.O_NONBLOCK)
            self.ended_fd = os.pidfd_open(self.pid)
        except BaseException:
            os.close(self._held)
            self._output.close()
            raise
        finally:
            os.close(lifeline)

    def first(self) -> int:
        """The id of the process that it was started for."""
        return self.pid

    def wait(self, waited: HasFileno, deadline_ns: int) -> None:
        """Returns when there is something to read.

        Args:
            waited: where.
            deadline_ns: until when, on CLOCK_MONOTONIC.

        Raises:
            StartError: the process ended before, or the time is over.
        """
        poll = select.poll()
        poll.register(waited, select.POLLIN)
        poll.register(self.ended_fd, select.POLLIN)
        left_ns = deadline_ns - time.monotonic_ns()
        ready = {fd for fd, _ in poll.poll(max(0, left_ns) / 1e6)}
        if waited.fileno() not in ready:
            self.fail("its process ended" if ready else "it was not in time")

    def ended(self) -> bool:
        """Whether it has ended."""
        return self.ended_fd < 0 or bool(select.select([self.ended_fd], [], [], 0)[0])

    def fail(self, what: object) -> NoReturn:
        """Says what is the matter, and what the process printed last.

        Raises:
            StartError: always.
        """
        words = ""
        if self.ended_fd >= 0:
            self._output.seek(0)
            words = self._output.read()[-4000:].decode(errors="replace").strip()
        raise StartError(f"{what}; it printed last:\n{words}" if words else str(what)) from None

    def end(self) -> None:
        """Kills it with its group, and reaps it. May be called again."""
        if self.ended_fd >= 0:
            os.killpg(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.ended_fd)
            self.ended_fd = -1
            os.close(self._held)
            self._output.close()


class Door:
    """The Unix socket on which one instance says READY.

    Args:
        folder: in which it lies.
    """

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, secrets.token_hex(8))
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()

    def expect(self, process: Process, deadline_ns: int) -> tuple[socket.socket, int]:
        """The connection on which READY was said, and the moment in ns.

        Raises:
            StartError: it ended, was late, or said something else.
        """
        process.wait(self._listener, deadline_ns)
        connection, _ = self._listener.accept()
        try:
            process.wait(connection, deadline_ns)
            said = connection.recv(len(_READY), socket.MSG_DONTWAIT)
            ready_ns = time.monotonic_ns()
            if said != _READY:
                process.fail(f"it must say {_READY!r}, not {said!r}")
        except BaseException:
            connection.close()
            raise
        self.close()
        return connection, ready_ns

    def close(self) -> None:
        """Nobody is expected any more. May be called again."""
        if self._listener.fileno() >= 0:
            self._listener.close()
            os.unlink(self.path)


def free_port() -> socket.socket:
    """A socket that holds a free port of the loopback as long as it is open.

    It is bound and never listened on: who binds the port with SO_REUSEADDR, too, as servers do, may
    listen on it, while the kernel gives it to nobody who asks for any port.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((HOST, 0))
    return held
