"""What runs CRIU: a process that makes keepers, and what each keeper does.

A keeper is the first process of a PID namespace of its own: the process of an image gets back the
id that it had, beside as many siblings as there are, and all that it has started ends with the
keeper. Each has mounts of its own, too, in which /proc is that of its namespace.

The runtime commands by messages on the control socket (SOCK_SEQPACKET), JSON, each with three
descriptors: the connection that becomes the instance's, what it prints to, and the keeper's orders;
"log" is the name of CRIU's log, which the runtime removes:
  {"role": "template", "program": [...]}       start a program and, when told "D", take its image
  {"role": "spare", "inherited": [...]}        have a CRIU at hand that restores when told "G"
A keeper says on its orders (SOCK_SEQPACKET, too) b"H" when it is there, b"D" and how long it took
in ns when the image is taken, b"E" and the exit status of its process when that has ended. When its
orders are cut it ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
from pathlib import Path
from time import monotonic_ns
from typing import Any, NoReturn

from aetherless_py.start import criu_messages, process, snapshot_folder

# The id that the process of an image has: far from those that CRIU's own helpers get.
FIRST_PID = 1000
_TMPFS = "tmpfs"


def main(_interpreter_ns: int) -> NoReturn:
    """The program: argv has the handler and its imports, which are not needed here."""
    process.take_over(process.CONTROL)
    os.close(process.LIFELINE)
    control = socket.socket(fileno=process.CONTROL)
    control.set_inheritable(False)
    settings = json.loads(control.recv(65536))
    process.private_mounts()
    if not _is_tmpfs("/run"):
        # CRIU keeps there what it knows of the kernel; elsewhere it would ask anew, 10 ms a start.
        process.mount(b"tmpfs", b"/run")
    with contextlib.suppress(OSError):  # where it is forbidden, restores are slower
        process.open_idle_event()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are the runtime's to end
    here = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    control.send(b"READY")
    while True:
        command, fds, _, _ = socket.recv_fds(control, 65536, 3)
        if not command:
            break
        process.new_pid_namespace()
        if os.fork() == 0:
            control.close()
            _Keeper(settings, *fds).keep(json.loads(command))
        process.back_to_pid_namespace(here)
        for fd in fds:
            os.close(fd)
    # The runtime has ended without a word, or it would have ended us.
    if settings["remove"]:
        snapshot_folder.remove(settings["folder"])
    os._exit(0)


def _is_tmpfs(folder: str) -> bool:
    """Whether a file system in memory is mounted right there."""
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    kinds = [after.split()[0] for before, after in mounts if before.split()[4] == folder]
    return bool(kinds) and kinds[-1] == _TMPFS


class _Keeper:
    """The first process of a namespace.

    Args:
        settings: "criu", the program; "folder" of the snapshot.
        connection_fd, output_fd, orders_fd: as this file's head says.
    """

    def __init__(
        self, settings: dict[str, Any], connection_fd: int, output_fd: int, orders_fd: int
    ) -> None:
        self._criu_program, self._folder = settings["criu"], settings["folder"]
        self._connection_fd, self._output_fd = connection_fd, output_fd
        self._orders = socket.socket(fileno=orders_fd)
        self._child = 0  # with which the keeper ends

    def keep(self, command: dict[str, Any]) -> NoReturn:
        """Does what the command says, and ends."""
        self._log = command["log"]
        try:
            # Children are waited for in _serve, which this wakes up.
            self._wakes, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
            signal.signal(signal.SIGCHLD, lambda *_: None)
            process.private_mounts()
            process.mount(b"proc", b"/proc")
            if command["role"] == "template":
                self._child = self._run(command["program"])
                # Its end of the connection is the only one from now on.
                os.close(self._connection_fd)
                order = self._dump
            else:
                self._prepare(command["inherited"])
                order = self._restore
            self._orders.send(b"H")
            self._serve(order)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.write(self._output_fd, f"keeper: {type(error).__name__}: {error}\n".encode())
        os._exit(1)

    def _serve(self, order: Any) -> None:
        """Waits for an order, for the child's end and for whoever has lost its parent."""
        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        poll.register(self._wakes, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._wakes in ready:
                os.read(self._wakes, 4096)
            if self._orders.fileno() in ready:
                if not self._orders.recv(1):
                    os._exit(0)
                order()
            # After an order, too: who ended while it was carried out has been told by now.
            self._reap()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._child:
                    with contextlib.suppress(OSError):
                        self._orders.send(b"E%d" % os.waitstatus_to_exitcode(status))
                    os._exit(0)

    def _run(self, program: list[str]) -> int:
        """Starts the program whose image is to be taken."""
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(FIRST_PID - 1))
        pid = os.fork()
        if pid:
            return pid
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        ends = {0: nothing, 1: self._output_fd, 2: self._output_fd}
        # Out of the way first: a target may be another's source.
        high = {target: os.dup(source) for target, source in ends.items()}
        connection = os.dup(self._connection_fd)
        for target, source in high.items():
            os.dup2(source, target)
        os.dup2(connection, process.CONTROL)
        os.close(process.LIFELINE)
        try:
            os.execv(program[0], program)
        finally:
            os._exit(127)

    def _dump(self) -> None:
        """Takes the child's image, which ends it."""
        facts = json.loads(self._orders.recv(65536))
        images_fd, work_fd = self._folders()
        criu, _ = self._start_criu(())
        began_ns = monotonic_ns()
        criu.send(
            criu_messages.dump_request(
                images_fd, work_fd, self._child, self._log, facts["socket_inode"]
            )
        )
        self._expect_success(criu, "dump")
        # An instance's clocks are those of the machine, not the template's, set back.
        Path(snapshot_folder.images_of(self._folder), "timens-0.img").unlink(missing_ok=True)
        self._orders.send(b"D%d" % (monotonic_ns() - began_ns))

    def _prepare(self, inherited: list[str]) -> None:
        images_fd, work_fd = self._folders()
        ends = (self._connection_fd, self._output_fd)
        self._criu, self._child = self._start_criu(ends)
        os.close(self._connection_fd)
        self._request = criu_messages.restore_request(
            images_fd, work_fd, self._log, dict(zip(inherited, ends, strict=True))
        )

    def _restore(self) -> None:
        """Has CRIU make the process, which then is ours."""
        self._criu.send(self._request)
        self._child = self._expect_success(self._criu, "restore")
        self._criu.close()
        os.close(self._output_fd)

    def _folders(self) -> tuple[int, int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        return (
            os.open(snapshot_folder.images_of(self._folder), flags),
            os.open(snapshot_folder.work_of(self._folder), flags),
        )

    def _start_criu(self, fds: tuple[int, ...]) -> tuple[socket.socket, int]:
        """A CRIU that waits for a request, with descriptors of ours; and its process id."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for fd in (*fds, theirs.fileno()):
                os.set_inheritable(fd, True)
            # In its own words: a worker for one request, on that socket.
            arguments = [self._criu_program, "swrk", str(theirs.fileno())]
            pid = os.posix_spawn(arguments[0], arguments, os.environ, setsigdef=[signal.SIGCHLD])
        return ours, pid

    def _expect_success(self, criu: socket.socket, what: str) -> int:
        """CRIU's answer: the process id of a restored process.

        Raises:
            RuntimeError: it failed; its own words are in the message.
        """
        poll = select.poll()
        poll.register(criu, select.POLLIN)
        poll.register(self._orders, 0)  # its end, which is the runtime's
        if any(fd == self._orders.fileno() for fd, _ in poll.poll()):
            os._exit(1)
        answer = criu.recv(65536)
        done, pid = criu_messages.read_answer(answer) if answer else (False, 0)
        if not done:
            words = _errors(Path(snapshot_folder.work_of(self._folder), self._log))
            raise RuntimeError(f"CRIU's {what} failed: {words or 'it ended'}")
        return pid


def _errors(log: Path) -> str:
    with contextlib.suppress(OSError):
        return "; ".join(
            line.partition("Error ")[2]
            for line in log.read_text(errors="replace").splitlines()
            # Which it says of limits that it cannot raise, and goes on.
            if "Error " in line and "RLIMIT_NOFILE" not in line
        )
    return ""
