"""What ends a runtime's instances when the runtime can no longer: a process that only waits.

Instances that are processes of their own end with the runtime by a signal of the kernel's; what
they have started does not, and sockets stay in their folder. A guard sees to both, once.
"""

from __future__ import annotations

import os
import shutil
import sys
import time

from aetherless_py.start import process, tree

_SEGMENTS_S = 10.0  # for what was killed to be gone


def main(_interpreter_ns: int) -> None:
    """The program: argv has the mark of the processes to be killed and the folder to be removed."""
    process.take_over(process.LIFELINE)
    mark, folder = sys.argv[1:3]
    runtime = os.getppid()
    os.read(process.LIFELINE, 1)  # nobody writes; it is cut when the runtime ends
    tree.kill_marked(mark)
    shutil.rmtree(folder, ignore_errors=True)
    _remove_segments(f"aetherless-{runtime}-")


def _remove_segments(prefix: str) -> None:
    """Removes those of that name, as soon as all who used them have ended."""
    from aetherless_py.shm import reclaim_stale

    until = time.monotonic() + _SEGMENTS_S
    while True:
        reclaim_stale()
        left = any(name.startswith(prefix) for name in os.listdir("/dev/shm"))
        if not left or time.monotonic() > until:
            return
        time.sleep(0.02)
