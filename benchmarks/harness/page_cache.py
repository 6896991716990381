"""The kernel's page cache: emptied, and looked at."""

from __future__ import annotations

import ctypes
import mmap
import os
from pathlib import Path

import psutil

DROP = Path("/proc/sys/vm/drop_caches")
_ONLY_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs", "hugetlbfs")
_LIBC = ctypes.CDLL(None, use_errno=True)


def missing() -> str | None:
    """Why this process cannot drop it, and what would help; None if it can."""
    if os.access(DROP, os.W_OK):
        return None
    return f"{DROP} may not be written: dropping the page cache needs root"


def drop() -> None:
    """Empties it, as far as nobody uses it: what a process has mapped stays."""
    os.sync()
    DROP.write_text("1")  # clean pages


def is_behind(folder: Path) -> bool:
    """Whether what lies in the folder is on a file system behind the page cache, not in it."""
    at = folder.resolve()
    kinds = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    kind = next((kinds[each] for each in (at, *at.parents) if each in kinds), None)
    return kind not in _ONLY_IN_MEMORY


def cached_bytes(path: Path) -> int:
    """How much of a file, in whole pages, is in the page cache; nothing is read for that.

    Raises:
        OSError: it cannot be looked at.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return 0
        pages = -(-size // mmap.PAGESIZE)
        # A copy on write, since ctypes takes no address of what cannot be written.
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
            first = ctypes.c_char.from_buffer(mapped)
            found = (ctypes.c_ubyte * pages)()
            failed = _LIBC.mincore(
                ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), found
            )
            del first  # the mapping cannot be closed before
            if failed:
                raise OSError(ctypes.get_errno(), f"mincore of {path}")
    return sum(page & 1 for page in found) * mmap.PAGESIZE
