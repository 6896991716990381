"""Making a process cheap to copy, before it is forked or an image of it is taken."""

from __future__ import annotations

import gc
import os

from aetherless_py.start import memory


def make_cheap(fd: int) -> bool:
    """Lets this process's memory lie still, and moves it into a file.

    A fork then copies no page tables for it, and an image need not hold it. What lives now lives in
    all copies: the collector would only touch, and so copy, its pages.

    Args:
        fd: an empty file, open for reading and writing.

    Returns:
        Whether it was moved: not where threads of the function forbid that.

    Raises:
        OSError: the file system is full.
    """
    gc.collect()
    gc.freeze()
    if _threads() > 1:
        # Libraries whose helper threads would not live through a fork, such as OpenBLAS, end them
        # before one, and start them again when they need them.
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
    if _threads() > 1:
        return False
    memory.move_to_file(fd)
    return True


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))
