"""Ending a process with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def children(pid: int) -> list[int]:
    """The children of all the process's threads."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """The process's children, their children, and so on."""
    found = children(pid)
    for child in found:  # which grows meanwhile
        found += children(child)
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_tree(pid: int) -> None:
    """Kills a process that leads a session, and its descendants.

    It must not have been reaped. Stopped first, so that nobody starts anybody else meanwhile; an
    instance adopts the orphans among its descendants, so that all hang on it.
    """
    _send(pid, signal.SIGSTOP)
    stopped: set[int] = set()
    while more := set(descendants(pid)) - stopped:
        for each in more:
            _send(each, signal.SIGSTOP)
        stopped |= more
    for each in stopped:
        _send(each, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    _send(pid, signal.SIGKILL)


def kill_orphans_of(instance_id: str) -> None:
    """Kills what an instance that ended by itself has left, as far as it fell to this process."""
    mark = f"AETHER_INSTANCE_ID={instance_id}".encode()
    for child in descendants(os.getpid()):
        try:
            environment = Path(f"/proc/{child}/environ").read_bytes()
        except OSError:
            continue
        if mark in environment.split(b"\0"):
            _send(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
