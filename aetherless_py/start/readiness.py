"""The READY handshake: five bytes on a Unix socket, from the process that was started.

`AETHER_SOCKET` names the socket, in a folder of mode 0700. The kernel says who wrote the five bytes
(SCM_CREDENTIALS), so neither another process of this user nor one that inherited the socket can
speak for an instance.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import struct
import tempfile
import time
from collections.abc import Callable

from aetherless_py.errors import HandshakeError, StartError, StartTimeoutError
from aetherless_py.start import lent_folder
from aetherless_py.start.output import Output
from aetherless_py.start.worker import READY

CREDENTIALS = struct.Struct("3i")
_NEVER = -1
_LATE = "the instance was not ready in time and was killed"


_PREFIX = "aethersock-"  # short: each byte is one less for the folder that it lies in
LONGEST_PATH = 107  # of a Unix socket, in bytes
_LONGEST_NAME = len("/0123456789abcdef.sock")


class Folder:
    """A folder of mode 0700 for the sockets of a strategy's instances.

    Raises:
        StartError: the folder for temporary files is too deep for a socket.
    """

    def __init__(self) -> None:
        while True:
            self.path = lent_folder.make(tempfile.gettempdir(), _PREFIX)
            try:
                self._lock = lent_folder.opened(self.path)
            except FileNotFoundError:  # another one took it for abandoned
                continue
            if lent_folder.taken(self._lock, self.path):
                break
            os.close(self._lock)
        if len(os.fsencode(self.path)) + _LONGEST_NAME > LONGEST_PATH:
            self.close()
            raise StartError(
                f"{self.path}: a socket in it would have too long a path; set TMPDIR to a shorter"
                " one"
            )

    def close(self) -> None:
        if self._lock >= 0:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._lock)
            self._lock = -1


class Door:
    """The socket on which one instance is expected."""

    def __init__(self, folder: Folder, instance_id: str) -> None:
        self.path = os.path.join(folder.path, f"{instance_id}.sock")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # inherited
            self._listener.bind(self.path)
            self._listener.listen(16)
        except BaseException:
            self._listener.close()
            raise

    def expect(
        self,
        expected: int | Callable[[int], bool],
        ended_fd: int,
        output: Output,
        deadline_ns: int,
    ) -> tuple[socket.socket, int]:
        """Waits until that process has connected and said READY.

        Args:
            expected: its id, or what knows it by its id; whoever else connects is turned away.
            ended_fd: becomes readable when the process ends.
            output: of the process; drained meanwhile.
            deadline_ns: on CLOCK_MONOTONIC.

        Returns:
            (the connection, the moment of READY in ns).

        Raises:
            StartTimeoutError, HandshakeError, StartError: it will not come.
        """
        known = expected if callable(expected) else expected.__eq__
        while True:
            wait_readable(self._listener.fileno(), ended_fd, output, deadline_ns)
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                continue
            credentials = connection.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size
            )
            pid = CREDENTIALS.unpack(credentials)[0]
            if not known(pid):
                connection.close()
                continue
            try:
                speaker, ready_ns = hear_ready(connection, ended_fd, output, deadline_ns)
                if speaker != pid:
                    raise HandshakeError(f"another process ({speaker}) said READY for {pid}")
            except BaseException:
                connection.close()
                raise
            return connection, ready_ns

    def close(self) -> None:
        """Removes the socket; the connection stays."""
        self._listener.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def hear_ready(
    connection: socket.socket, ended_fd: int, output: Output | None, deadline_ns: int
) -> tuple[int, int]:
    """Waits for READY on a connection whose `SO_PASSCRED` is set.

    Args:
        connection: to the instance.
        ended_fd: becomes readable when the instance can no longer come; -1 for none.
        output: of the instance; drained meanwhile.
        deadline_ns: on CLOCK_MONOTONIC.

    Returns:
        (process id of the one who said READY, moment in ns).

    Raises:
        As `Door.expect`.
    """
    said = b""
    speakers: set[int] = set()
    while True:
        wait_readable(connection.fileno(), ended_fd, output, deadline_ns)
        # One byte more than allowed is asked for, so that it is noticed.
        try:
            data, ancillary, _, _ = connection.recvmsg(
                len(READY) + 1 - len(said), socket.CMSG_SPACE(CREDENTIALS.size),
                socket.MSG_DONTWAIT,
            )  # fmt: skip
        except BlockingIOError:
            continue
        except ConnectionResetError:  # it was killed with what we had sent it unread
            data, ancillary = b"", []
        ready_ns = time.monotonic_ns()
        if not data:
            raise StartError("the instance closed its connection before READY")
        said += data
        speakers.add(speaker(ancillary))
        if not READY.startswith(said):
            raise HandshakeError(f"an instance must say {READY!r} once, this one said {said!r}")
        if len(speakers) > 1:
            raise HandshakeError(f"several processes ({sorted(speakers)}) said READY together")
        if said == READY:
            if ready_ns > deadline_ns:  # it came before we had a processor to notice the deadline
                raise StartTimeoutError(_LATE)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
            return speakers.pop(), ready_ns


def speaker(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The process that sent this, by the kernel's word."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
            pid, uid, _ = CREDENTIALS.unpack(data[: CREDENTIALS.size])
            if uid != os.geteuid():
                raise HandshakeError(f"READY came from user {uid}, not from {os.geteuid()}")
            return int(pid)
    raise HandshakeError("the kernel did not say who said READY")


def readable(fd: int, within_s: float = 0.0) -> bool:
    """Whether there is something to read, or an end to be noticed, within so many seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, within_s) * 1e3))


def wait_readable(wanted_fd: int, ended_fd: int, output: Output | None, deadline_ns: int) -> None:
    """Returns when `wanted_fd` is readable; raises when the process ended or the time is over."""
    poll = select.poll()
    poll.register(wanted_fd, select.POLLIN)
    for other in (ended_fd, output.fileno() if output else _NEVER):
        if other >= 0:
            poll.register(other, select.POLLIN)
    while True:
        left_ns = deadline_ns - time.monotonic_ns()
        ready = {fd for fd, _ in poll.poll(max(0, left_ns) / 1e6)}
        if wanted_fd in ready:
            return
        if ended_fd in ready:
            raise StartError("the instance's process ended before READY")
        if output is not None and output.fileno() in ready and not output.drain():
            poll.unregister(output.fileno())
        if left_ns <= 0:
            raise StartTimeoutError(_LATE)
