"""Folders for as long as their makers live: who makes the next one removes what others left.

A maker holds a lock on its folder, which the kernel gives back when it is killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path


def make(parent: str, prefix: str, own: str = "") -> str:
    """A new folder of mode 0700, not locked yet; abandoned ones of that prefix are removed.

    Args:
        parent: where it is to lie.
        prefix: of its name; nothing else may begin with it there.
        own: what follows the prefix in the name of this one.
    """
    for entry in Path(parent).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            fd = opened(str(entry))
            try:
                if os.fstat(fd).st_uid == os.geteuid() and taken(fd, str(entry)):
                    shutil.rmtree(entry, ignore_errors=True)
            finally:
                os.close(fd)
    return tempfile.mkdtemp(prefix=prefix + own, dir=parent)


def opened(path: str) -> int:
    """The folder's descriptor, to take it by; closing it gives it back."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def taken(fd: int, path: str) -> bool:
    """Takes a folder: False where it is somebody's, or another one, or none, is there by now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.stat(path).st_ino == os.fstat(fd).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
