"""Fresh pinned processes: one, or a pair at the same time, each under a watchdog.

A fresh interpreter, not a fork: a fork inherits its parent's heap, caches and random layout, and
samples of such siblings look more alike than runs of the program really are.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# `benchmarks` is found behind everything installed: beside it lies the source of the package under
# test, which must not hide the installed build.
ROOT = Path(__file__).resolve().parents[2]

_BOOTSTRAP = """
import sys
sys.path.append(sys.argv[1])
from benchmarks.harness.processes import _child_main
_child_main()
"""


# How long a process that is ended may take to put things away.
GRACE_S = 2.0
# The variable by which a task's processes are known, wherever they have gone.
MARK = "AETHERLESS_TASK"


class ProcessError(RuntimeError):
    """A measuring process did not end as it should; its result does not exist."""


class ChildFailedError(ProcessError):
    """The process raised, crashed or could not be pinned; the message holds its stderr's end."""


class WatchdogError(ProcessError):
    """The process did not end in time and was killed."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a fresh process does: `target` is "module:function", called with `arguments`.

    Arguments and result travel as JSON. `cpu` is the processor that it is pinned to, None for any.
    """

    target: str
    arguments: dict[str, Any]
    cpu: int | None


def available_cpus() -> list[int]:
    """The processors that this process may run on, ascending."""
    return sorted(os.sched_getaffinity(0))


def run_fresh(task: Task, timeout_s: float) -> Any:
    """Runs a task in a fresh process and returns its result.

    Args:
        task: what to run, and where.
        timeout_s: seconds after which the process is killed.

    Raises:
        NotImplementedError: the task says that this machine or build lacks something.
        ChildFailedError, WatchdogError: there is no result.
    """
    return _run([task], timeout_s)[0]


def run_pair(first: Task, second: Task, timeout_s: float) -> tuple[Any, Any]:
    """Runs two tasks in two fresh processes at the same time; if one fails, the other is killed.

    Raises:
        As `run_fresh`.
    """
    one, two = _run([first, second], timeout_s)
    return one, two


class _Child:
    def __init__(self, task: Task) -> None:
        self.task = task
        self.stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        # Short, since sockets lie in it, whose paths may have 107 characters.
        self.folder = tempfile.mkdtemp(prefix="t")
        self.token = secrets.token_hex(8)
        self.result_fd, write_fd = os.pipe()
        os.set_blocking(self.result_fd, False)
        self.received = b""
        request = {
            "target": task.target,
            "arguments": task.arguments,
            "cpu": task.cpu,
            "result_fd": write_fd,
            "parent": os.getpid(),
        }
        try:
            # A file and no pipe: it holds requests of any size, and nobody waits to write them.
            with tempfile.TemporaryFile() as stdin:
                stdin.write(json.dumps(request).encode())
                stdin.seek(0)
                self.process = self._start(stdin, write_fd)
            self.ended_fd = os.pidfd_open(self.process.pid)
        except BaseException:
            os.close(self.result_fd)
            self.stderr.close()
            os.rmdir(self.folder)
            raise
        finally:
            os.close(write_fd)

    def _start(self, stdin: IO[bytes], write_fd: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP, str(ROOT)],
            stdin=stdin,
            stdout=self.stderr,
            stderr=self.stderr,
            pass_fds=(write_fd,),
            start_new_session=True,
            env={**os.environ, "TMPDIR": self.folder, MARK: self.token},
        )

    def receive(self) -> bool:
        """Takes what has come of the result; False when no more can come."""
        try:
            data = os.read(self.result_fd, 1 << 20)
        except BlockingIOError:
            return True
        self.received += data
        return bool(data)

    def result(self) -> Any:
        """What the child sent, which has ended."""
        while self.receive():
            if not select.select([self.result_fd], [], [], 0)[0]:
                break  # somebody whom it has started holds the other end
        self.end_process(0)
        status = self.process.returncode
        try:
            answer = json.loads(self.received)
        except ValueError:
            answer = {}
        if "missing" in answer:
            raise NotImplementedError(answer["missing"])
        if status != 0 or "result" not in answer:
            raise ChildFailedError(
                f"{self.task.target} ended with status {status}:\n{self.last_words()}"
            )
        return answer["result"]

    def late(self) -> WatchdogError:
        return WatchdogError(
            f"{self.task.target} did not end in time and was killed:\n{self.last_words()}"
        )

    def last_words(self) -> str:
        self.stderr.seek(0)
        return self.stderr.read()[-4000:].decode(errors="replace").strip()

    def end_process(self, grace_s: float) -> None:
        """Ends what is left of the child and of what it started, wherever that hangs.

        Args:
            grace_s: how long it may take to put away what the kernel does not: segments,
                semaphores, files.
        """
        if self.process.returncode is not None:
            return
        if grace_s:
            self.process.terminate()
            select.select([self.ended_fd], [], [], grace_s)
        # Before it is reaped: afterwards its process id may be somebody else's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        kill_marked(f"{MARK}={self.token}")

    def end(self) -> None:
        """Ends the child; closes and removes what we hold."""
        self.end_process(GRACE_S)
        os.close(self.result_fd)
        os.close(self.ended_fd)
        self.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def kill_marked(mark: str) -> None:
    """Kills whoever has that variable in the environment that it was started with."""
    wanted = mark.encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended, or another user's
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)


def _run(tasks: list[Task], timeout_s: float) -> list[Any]:
    children: list[_Child] = []
    ends = time.monotonic() + timeout_s
    try:
        for task in tasks:
            children.append(_Child(task))
        results: dict[int, Any] = {}
        pending = list(range(len(children)))
        sending = {child.result_fd: child for child in children}
        while pending:
            ends_by = {children[at].ended_fd: at for at in pending}
            left_s = max(0.0, ends - time.monotonic())
            ready, _, _ = select.select([*ends_by, *sending], [], [], left_s)
            if not ready:
                raise children[pending[0]].late()
            for fd in ready:
                if fd in ends_by:
                    at = ends_by[fd]
                    pending.remove(at)
                    sending.pop(children[at].result_fd, None)
                    results[at] = children[at].result()
                elif fd in sending and not sending[fd].receive():
                    del sending[fd]
        return [results[at] for at in range(len(children))]
    finally:
        for child in children:
            child.end()


def pin(cpu: int) -> None:
    """Pins this process to one processor and makes sure of it.

    Raises:
        OSError, RuntimeError: it is not pinned; figures of an unpinned run are never recorded.
    """
    os.sched_setaffinity(0, {cpu})
    got = os.sched_getaffinity(0)
    if got != {cpu}:
        raise RuntimeError(f"asked for processor {cpu}, the kernel gave {sorted(got)}")


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Has the kernel send this process a signal when the thread that started it is gone.

    Args:
        parent: that thread's process.
        number: the signal.
    """
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, number)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def named(target: str) -> Callable[..., Any]:
    """What "module:function" names."""
    module, _, function = target.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _child_main() -> None:
    request = json.loads(sys.stdin.buffer.read())
    die_with_parent(request["parent"])
    # Out through all that has to be put away.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    result_fd = request["result_fd"]
    os.set_inheritable(result_fd, False)
    if request["cpu"] is not None:
        pin(request["cpu"])
    try:
        answer = {"result": named(request["target"])(**request["arguments"])}
    except NotImplementedError as missing:
        answer = {"missing": str(missing)}
    with os.fdopen(result_fd, "wb") as pipe:
        pipe.write(json.dumps(answer).encode())
