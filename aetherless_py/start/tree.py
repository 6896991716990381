"""Ending a process with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path


def children(pid: int) -> list[int]:
    """The children of all the process's threads."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def is_runnable(pid: int) -> bool:
    """Whether a process's main thread has a processor or wants one; not if it sleeps or is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split(None, 1)[0] == b"R"
    except (OSError, IndexError):
        return False


def descendants(pid: int) -> list[int]:
    """The process's children, their children, and so on."""
    found = children(pid)
    for child in found:  # which grows meanwhile
        found += children(child)
    return found


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_tree(pid: int) -> set[int]:
    """Kills a process that leads a session, and its descendants.

    It must not have been reaped. Stopped first, so that nobody starts anybody else meanwhile; an
    instance adopts the orphans among its descendants, so that all hang on it.

    Returns:
        The descendants; who of them falls to this process is to be reaped by it.
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
    return stopped


def belongs(pid: int, root: int) -> bool:
    """Whether a process is that one, of the session that it leads, or one of its descendants."""
    with contextlib.suppress(ProcessLookupError):  # it has ended
        return pid == root or os.getsid(pid) == root or pid in descendants(root)
    return False


def reap(pids: Iterable[int]) -> None:
    """Reaps those that are this process's children; they have been killed."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def kill_marked(mark: str) -> None:
    """Kills what a process that has ended has left behind, wherever that hangs now.

    Args:
        mark: the variable of its environment, as "NAME=value", that nobody else has.
    """
    killed: set[int] = set()
    # Again, until there is nobody new: one that was still to be looked at may have started others.
    while found := _marked(mark.encode()) - killed:
        for pid in found:
            _send(pid, signal.SIGKILL)
        killed |= found


def _marked(mark: bytes) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended, or another user's
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.add(int(entry.name))
    return found
