"""What ends a runtime's instances when the runtime can no longer: a process that only waits.

Instances that are processes of their own end with the runtime by a signal of the kernel's; what
they have started does not, and sockets stay in their folder. A guard sees to both, once.
"""

from __future__ import annotations

import os
import shutil
import sys

from aetherless_py.start import process, tree


def main(_interpreter_ns: int) -> None:
    """The program: argv has the mark of the processes to be killed and the folder to be removed."""
    process.take_over(process.LIFELINE)
    mark, folder = sys.argv[1:3]
    os.read(process.LIFELINE, 1)  # nobody writes; it is cut when the runtime ends
    tree.kill_marked(mark)
    shutil.rmtree(folder, ignore_errors=True)
