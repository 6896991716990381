"""Fresh pinned processes: one, or a pair at the same time, each under a watchdog.

A fresh interpreter, not a fork: a fork inherits its parent's heap, caches and random layout, and
samples of such siblings look more alike than runs of the program really are.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
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
        self.result_fd, write_fd = os.pipe()
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
        except BaseException:
            os.close(self.result_fd)
            self.stderr.close()
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
        )

    def result(self, within_s: float) -> Any:
        """What the child sent; it has closed its pipe, but may take its time to end."""
        ended = os.pidfd_open(self.process.pid)
        try:
            if not select.select([ended], [], [], within_s)[0]:
                raise self.late()
        finally:
            os.close(ended)
        self.end_process()
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

    def end_process(self) -> None:
        """Kills what is left of the child and of what it started.

        Before it is reaped: afterwards its process id may be somebody else's.
        """
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def end(self) -> None:
        """Ends the child; closes what we hold."""
        self.end_process()
        os.close(self.result_fd)
        self.stderr.close()


def _run(tasks: list[Task], timeout_s: float) -> list[Any]:
    children: list[_Child] = []
    ends = time.monotonic() + timeout_s
    try:
        for task in tasks:
            children.append(_Child(task))
        results: dict[int, Any] = {}
        pending = {child.result_fd: child for child in children}
        while pending:
            ready, _, _ = select.select(list(pending), [], [], max(0.0, ends - time.monotonic()))
            if not ready:
                raise next(iter(pending.values())).late()
            for fd in ready:
                data = os.read(fd, 1 << 20)
                if data:
                    pending[fd].received += data
                else:  # the child is gone, or as good as
                    results[fd] = pending.pop(fd).result(max(0.0, ends - time.monotonic()))
        return [results[child.result_fd] for child in children]
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


def die_with_parent(parent: int) -> None:
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _child_main() -> None:
    import importlib

    request = json.loads(sys.stdin.buffer.read())
    die_with_parent(request["parent"])
    result_fd = request["result_fd"]
    os.set_inheritable(result_fd, False)
    if request["cpu"] is not None:
        pin(request["cpu"])
    module, _, function = request["target"].partition(":")
    try:
        call = getattr(importlib.import_module(module), function)
        answer = {"result": call(**request["arguments"])}
    except NotImplementedError as missing:
        answer = {"missing": str(missing)}
    with os.fdopen(result_fd, "wb") as pipe:
        pipe.write(json.dumps(answer).encode())
