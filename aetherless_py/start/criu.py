"""criu: each instance is restored from an image of an initialised one.

The image is taken once, at `prepare`, and lies in memory (`snapshot`). For each instance to come a
CRIU waits in a PID namespace of its own (`keeper`). The way of a start: an order to the keeper,
whose CRIU makes the process anew; the process reads its id from a connection that takes the place
of the one that it had, and says READY on it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

from aetherless_py.errors import (
    StartError,
    StartTimeoutError,
    StrategyClosedError,
    StrategyMissingError,
)
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases, Process
from aetherless_py.start.nursery import Nursery, NurseryStrategy, Spare
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import hear_ready, wait_readable
from aetherless_py.start.snapshot import Folder, Snapshot, work_of
from aetherless_py.start.spawn import python_program

PROGRAM_VARIABLE = "AETHERLESS_CRIU"
# Where tools/install_criu.sh puts it.
INSTALLED = "/opt/aetherless/criu/bin/criu"
_REMEDY = "run tools/install_criu.sh as root"
_CREDENTIALS = struct.Struct("3i")
_END_TIMEOUT_S = 10.0


def program() -> str | None:
    """The CRIU that is used: the variable's, the installed one, or that of the system."""
    if named := os.environ.get(PROGRAM_VARIABLE):
        return named
    return INSTALLED if os.access(INSTALLED, os.X_OK) else shutil.which("criu")


@functools.cache
def version() -> str:
    """The version of the CRIU that is used.

    Raises:
        StrategyMissingError: there is none, or it does not run.
    """
    found = program()
    if found is None:
        raise StrategyMissingError(f"there is no CRIU here: {_REMEDY}")
    try:
        done = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StrategyMissingError(f"{found} does not run ({error}): {_REMEDY}") from None
    told = re.search(r"^Version: (\S+)", done.stdout, re.MULTILINE)
    if told is None:
        raise StrategyMissingError(f"{found} tells no version: {_REMEDY}")
    return told[1]


@functools.cache
def _unsuitable() -> str | None:
    """Why this machine cannot dump and restore, and what would help."""
    if platform.system() != "Linux":
        return "CRIU is for Linux"
    if os.geteuid() != 0:
        return "CRIU makes PID namespaces and mounts: run this as root"
    try:
        told = version()
    except StrategyMissingError as missing:
        return str(missing)
    if _numbers(platform.release()) >= (6, 13) and _numbers(told) < (4, 1):
        return f"CRIU {told} does not know the vDSO of Linux {platform.release()}: {_REMEDY}"
    checked = subprocess.run([str(program()), "check"], capture_output=True, text=True)
    if checked.returncode != 0:
        words = (checked.stdout + checked.stderr).strip().splitlines() or ["no word of why"]
        return (
            f"'criu check' says that this kernel is not fit: {words[0]}: use one with"
            " CONFIG_CHECKPOINT_RESTORE, outside of a container without CAP_SYS_ADMIN"
        )
    return None


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", text)[:2])


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
        said, ancillary, _, _ = self._orders.recvmsg(64, socket.CMSG_SPACE(_CREDENTIALS.size))
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        if said == b"H":
            pid, _, _ = _CREDENTIALS.unpack(ancillary[0][2][: _CREDENTIALS.size])
            with contextlib.suppress(ProcessLookupError):
                self.keeper_fd = os.pidfd_open(pid)
        # If it lives now, it lived when the descriptor was made, and that id was its own.
        poll = select.poll()
        poll.register(self._orders, 0)
        if self.keeper_fd < 0 or poll.poll(0):
            raise StartError("the keeper of the instance has ended")

    def appeared(self, pid: int) -> None:
        """It has said READY, and the kernel whom that came from."""
        self.pid, self.ended_fd = pid, os.pidfd_open(pid)

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
        if not select.select([self._orders], [], [], max(0.0, within_s))[0]:
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
            select.select([self.keeper_fd], [], [], _END_TIMEOUT_S)
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
        self.orders, self._theirs_of_orders = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
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
            "criu": program(),
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
            waited = {spare.orders for spare in self._spares if isinstance(spare, KeptSpare)}
        until = time.monotonic() + timeout_s
        while waited:
            ready, _, _ = select.select(waited, [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise StartTimeoutError(f"{self.name}: a keeper was not there in time")
            waited -= set(ready)

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


class Criu(NurseryStrategy[Keepers]):
    """Instances by restoring an image.

    Args:
        snapshot_folder: where the image is kept, and used again by whoever prepares the same
            function on the same machine; None for one in memory that is removed at close.
    """

    name = "criu"

    def __init__(self, snapshot_folder: str | None = None) -> None:
        super().__init__()
        self._snapshot_folder = snapshot_folder
        self._folder: Folder | None = None
        self._snapshot: Snapshot | None = None

    @classmethod
    def missing(cls) -> str | None:
        """As `Strategy.missing`."""
        return _unsuitable()

    @property
    def snapshot(self) -> Snapshot:
        """The one that instances are restored from."""
        if self._snapshot is None:
            raise StrategyClosedError(f"{self.name}: not prepared yet")
        return self._snapshot

    def _new_nursery(self, function: Function) -> Keepers:
        assert self._folder is not None
        keepers = Keepers(function, self._folder)
        if self._snapshot is not None:
            keepers.inherited = self._snapshot.inherited
        return keepers

    def _prepare(self, function: Function) -> None:
        if why := self.missing():
            raise StrategyMissingError(why)
        self._folder = folder = Folder(self._snapshot_folder)
        if folder.finished:
            self._snapshot = Snapshot.open(folder.path, function, version())
        else:
            self._snapshot = self._take_image(function, folder)
        self._begin(function)

    def _take_image(self, function: Function, folder: Folder) -> Snapshot:
        """Starts the function's process and takes its image."""
        folder.clear()
        keepers = self._new_nursery(function)
        try:
            spare = keepers.make_template(function)
            with Attempt(self.name, function, spare.output) as attempt:
                attempt.keeps(spare.connection)
                attempt.process = template = Kept(spare)
                deadline_ns = deadline_of(function)
                template.meet(keepers.process.ended_fd, spare.output, deadline_ns)
                hear_ready(spare.connection, template.keeper_fd, spare.output, deadline_ns)
                template.order(b"D")
                template.order(json.dumps({"socket_inode": spare.socket_inode}).encode())
                told = template.answer((deadline_ns - time.monotonic_ns()) / 1e9)
                if told[:1] != b"D":
                    raise StartError("no image was taken")
                dump_ns = int(told[1:])
            template.end()
            spare.close()
            return Snapshot.finish(folder.path, function, version(), spare.names, dump_ns)
        except StartError:
            raise
        except OSError as error:
            raise StartError(f"{self.name}: the image cannot be taken: {error}") from None
        finally:
            keepers.close()

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        deadline_ns = deadline_of(function, asked_ns)
        keepers, (spare, kept) = self._ask(
            function, lambda keepers: keepers.take_with_keeper(deadline_ns)
        )
        with Attempt(self.name, function, spare.output) as attempt:
            attempt.keeps(spare.connection)
            attempt.process = kept
            self.snapshot.check()
            with contextlib.suppress(BrokenPipeError):  # which is heard instead of READY
                spare.connection.send(instance_id.encode())
            kept.order(b"G")
            pid, phases.ready_ns = hear_ready(
                spare.connection, kept.keeper_fd, spare.output, deadline_ns
            )
            kept.appeared(pid)
            keepers.refill()
            return Instance(instance_id, self.name, kept, spare.connection, spare.output, phases)

    def settle(self, timeout_s: float) -> None:
        """As `Strategy.settle`."""
        self._nursery.settle(timeout_s)

    def _close(self) -> None:
        super()._close()
        if self._folder is not None:
            self._folder.close()
