"""A fresh pinned process under a watchdog.

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
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

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


def available_cpus() -> list[int]:
    """The processors that this process may run on, ascending."""
    return sorted(os.sched_getaffinity(0))


def run_fresh(
    target: str, arguments: Mapping[str, Any], timeout_s: float, cpu: int | None = None
) -> Any:
    """Calls a function in a fresh process and returns its result.

    Args:
        target: the function, as "module:function".
        arguments: its own; they and the result travel as JSON, where dataclasses become dicts.
        timeout_s: seconds after which the process is killed.
        cpu: the processor that it is pinned to; None for any.

    Raises:
        NotImplementedError: the function says that this machine or build lacks something.
        ChildFailedError, WatchdogError: there is no result.
    """
    token = secrets.token_hex(8)
    with (
        # Files and no pipes: they hold what is long, and nobody waits for those who have the other
        # end of a pipe.
        tempfile.TemporaryFile() as asked,
        tempfile.TemporaryFile() as answered,
        tempfile.TemporaryFile() as said,
        # Short, since sockets lie in it, whose paths may have 107 characters.
        tempfile.TemporaryDirectory(prefix="t", ignore_cleanup_errors=True) as folder,
    ):
        request = {
            "target": target,
            "arguments": arguments,
            "cpu": cpu,
            "answer_fd": answered.fileno(),
            "parent": os.getpid(),
        }
        asked.write(json.dumps(request).encode())
        asked.seek(0)
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOTSTRAP, str(ROOT)],
            stdin=asked,
            stdout=said,
            stderr=said,
            pass_fds=(answered.fileno(),),
            start_new_session=True,
            env={**os.environ, "TMPDIR": folder, MARK: token},
        )
        in_time = False
        try:
            in_time = _ends(child, timeout_s)
        finally:
            _end(child)
            kill_marked(f"{MARK}={token}")
        said.seek(0)
        words = said.read()[-4000:].decode(errors="replace").strip()
        if not in_time:
            raise WatchdogError(f"{target} did not end in time and was killed:\n{words}")
        answered.seek(0)
        try:
            answer = json.loads(answered.read())
        except ValueError:
            answer = {}
    if "missing" in answer:
        raise NotImplementedError(answer["missing"])
    if child.returncode != 0 or "result" not in answer:
        raise ChildFailedError(f"{target} ended with status {child.returncode}:\n{words}")
    return answer["result"]


def _ends(child: subprocess.Popen[bytes], within_s: float) -> bool:
    """Whether the process ends in that time; it is not reaped."""
    ended = os.pidfd_open(child.pid)
    try:
        return bool(select.select([ended], [], [], within_s)[0])
    finally:
        os.close(ended)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Ends what is left of the process and of its group.

    Who has not ended by itself gets GRACE_S to put away what the kernel does not: segments,
    semaphores, files.
    """
    # Before it is reaped: afterwards its process id may be somebody else's.
    os.kill(child.pid, signal.SIGTERM)
    _ends(child, GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def kill_marked(mark: str) -> bool:
    """Kills whoever has that variable in the environment that it was started with; is anybody?"""
    wanted, is_anybody = mark.encode(), False
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended, or another user's
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    is_anybody = True
    return is_anybody


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
    os.set_inheritable(request["answer_fd"], False)
    if request["cpu"] is not None:
        pin(request["cpu"])
    try:
        answer = {"result": named(request["target"])(**request["arguments"])}
    except NotImplementedError as missing:
        answer = {"missing": str(missing)}
    with os.fdopen(request["answer_fd"], "w") as file:
        json.dump(answer, file, default=asdict)
