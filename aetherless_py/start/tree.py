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


def reap(pids: Iterable[int]) -> None:
    """Reaps those that are this process's children; they have been killed."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def end_adopted(leader: int, mark: str) -> None:
    """Kills and reaps what a process that has ended left to this one.

    Args:
        leader: its process id, which was its session's.
        mark: the variable of its environment, as "NAME=value", that nobody else has. A process
            that was forked but never executed a program may be known by its name, too, which is
            the value's beginning.
    """
    for child in children(os.getpid()):
        if _belongs(child, leader, mark):
            _send(child, signal.SIGKILL)
            reap([child])


def _belongs(pid: int, leader: int, mark: str) -> bool:
    value = mark.partition("=")[2]
    try:
        # A dead process that nobody has reaped still has a session and a name, but no environment.
        _, _, fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")
        if int(fields.split()[3]) == leader:
            return True
        if Path(f"/proc/{pid}/comm").read_text().rstrip() == value[:15]:
            return True
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
