"""The runtime's side of keepers: what it gives them, how it commands them and how it ends them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from pathlib import Path

from aetherless_py.errors import StartError, StartTimeoutError
from aetherless_py.start import criu_program
from aetherless_py.start.base import Function, new_id
from aetherless_py.start.instance import Process
from aetherless_py.start.nursery import Nursery, Spare
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import CREDENTIALS, readable, speaker, wait_readable
from aetherless_py.start.snapshot_folder import Folder, work_of
from aetherless_py.start.spawn import python_program

_END_TIMEOUT_S = 10.0


class Kept(Process):
    """A process in a keeper's namespace: the keeper is ended, and with it all that is in there.

    Args:
        spare: what the keeper was given.
    """

    def __init__(self, spare: KeptSpare) -> None:
        self._orders, self._connection, self._log = spare.orders, spare.connection, spare.log
        self.pid, self.ended_fd = 0, -1
        self.keeper_fd = -1
        self._status: int | None = None
        self._over = False

    def meet(self, nursery_fd: int, output: Output, deadline_ns: int) -> None:
        """Waits until the keeper is there.

        Raises:
            StartError: it will not come, or has ended.
        """
        wait_readable(self._orders.fileno(), nursery_fd, output, deadline_ns)
        said, ancillary, _, _ = self._orders.recvmsg(64, socket.CMSG_SPACE(CREDENTIALS.size))
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        if said == b"H":
            pid = speaker(ancillary)
            with contextlib.suppress(ProcessLookupError):
                self.keeper_fd = os.pidfd_open(pid)
        # If it lives now, it lived when the descriptor was made, and that id was its own.
        poll = select.poll()
        poll.register(self._orders, 0)
        if self.keeper_fd < 0 or poll.poll(0):
            raise StartError("the keeper of the instance has ended")

    def order(self, order: bytes) -> None:
        """Tells the keeper something.

        Raises:
            StartError: it has ended.
        """
        try:
            self._orders.send(order)
        except OSError:
            raise StartError("the keeper of the instance has ended") from None

    def answer(self, within_s: float) -> bytes:
        """What the keeper says; nothing when it has ended, or says nothing in time."""
        if not readable(self._orders.fileno(), within_s):
            return b""
        with contextlib.suppress(ConnectionResetError):
            return self._orders.recv(64)
        return b""

    def _ended_by_itself(self) -> bool:
        if self.ended_fd >= 0:
            return self.ended()
        try:
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def end(self) -> int | None:
        """As `Process.end`."""
        if self._over:
            return self._status
        self._over = True
        if not self._ended_by_itself():
            self._status = -signal.SIGKILL
        elif (told := self.answer(_END_TIMEOUT_S))[:1] == b"E":
            self._status = int(told[1:])
        if self.keeper_fd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.keeper_fd, signal.SIGKILL)
            # The kernel lets it end when all the others in the namespace have.
            readable(self.keeper_fd, _END_TIMEOUT_S)
        self._log.unlink(missing_ok=True)
        self._orders.close()
        for fd in (self.ended_fd, self.keeper_fd):
            if fd >= 0:
                os.close(fd)
        self.ended_fd = self.keeper_fd = -1
        return self._status


class KeptSpare(Spare):
    """A spare that comes with a line to its keeper.

    Attributes:
        orders: the line.
        log: where its CRIU says what went wrong.
        names: what CRIU calls the keeper's connection and output.
        socket_inode: of that connection.
    """

    def __init__(self, work: str) -> None:
        super().__init__()
        self.log = Path(work, f"{new_id()}.log")
        try:
            self.orders, self._theirs_of_orders = socket.socketpair(
                socket.AF_UNIX, socket.SOCK_SEQPACKET
            )
        except BaseException:
            super().close()
            raise
        self.orders.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket_inode = os.fstat(self.theirs.fileno()).st_ino
        pipe_inode = os.fstat(self.output.fileno()).st_ino
        self.names = [f"socket:[{self.socket_inode}]", f"pipe:[{pipe_inode}]"]

    def give_keeper(self, control: socket.socket, command: dict[str, object]) -> None:
        """Sends the nursery what a keeper needs, and what it shall do."""
        command = {**command, "log": self.log.name}
        self.give(control, json.dumps(command).encode(), self._theirs_of_orders.fileno())
        self._theirs_of_orders.close()

    def close(self) -> None:
        super().close()
        self.orders.close()
        self._theirs_of_orders.close()


class Keepers(Nursery):
    """The process that makes keepers.

    Args:
        function: of the instances.
        folder: of the snapshot.
    """

    module = "keeper"
    name = "criu"
    holds_instances = False  # the keepers do

    def __init__(self, function: Function, folder: Folder) -> None:
        self._folder = folder
        self.inherited: list[str] = []
        super().__init__(function)

    def greet(self) -> None:
        """As `Nursery.greet`."""
        settings = {
            "criu": criu_program.program(),
            "folder": self._folder.path,
            "remove": not self._folder.kept,
        }
        self._control.send(json.dumps(settings).encode())

    def _give(self, command: dict[str, object]) -> KeptSpare:
        spare = KeptSpare(work_of(self._folder.path))
        try:
            spare.give_keeper(self._control, command)
        except BaseException:
            spare.close()
            raise
        return spare

    def make_spare(self) -> KeptSpare:
        """As `Nursery.make_spare`."""
        return self._give({"role": "spare", "inherited": self.inherited})

    def make_template(self, function: Function) -> KeptSpare:
        """A keeper with the function's process, whose image it will take."""
        arguments = [*function.arguments(), self._folder.path]
        return self._give({"role": "template", "program": python_program("imaged", *arguments)})

    def settle(self, timeout_s: float) -> None:
        """Waits until each spare's keeper has said that it is there.

        Raises:
            StartTimeoutError: it has not in time.
        """
        with self._lock:
            waited = [spare.orders for spare in self._spares if isinstance(spare, KeptSpare)]
        until = time.monotonic() + timeout_s
        for orders in waited:
            # One that was taken meanwhile has been heard by whoever took it.
            if orders.fileno() >= 0 and not readable(orders.fileno(), until - time.monotonic()):
                raise StartTimeoutError(f"{self.name}: a keeper was not there in time")

    def take_with_keeper(self, deadline_ns: int) -> tuple[KeptSpare, Kept]:
        """The oldest spare whose keeper lives.

        Raises:
            OSError: there is none, and this process has ended.
            StartError: none came in time.
        """
        while True:
            with self._lock:
                spare = self.take()
            assert isinstance(spare, KeptSpare)
            kept = Kept(spare)
            try:
                kept.meet(self.process.ended_fd, spare.output, deadline_ns)
                return spare, kept
            except BaseException as error:
                kept.end()
                spare.close()
                if not isinstance(error, StartError) or isinstance(error, StartTimeoutError):
                    raise
