"""noop with a package beside its code: `PACKAGE` names a file that is read whole at the import.

Read as an import reads byte code and a model is loaded: every byte once, from front to back. What
is read is not kept, so that a large package is no large memory.
"""

from __future__ import annotations

import os

from benchmarks.workloads.noop import handler

__all__ = ["handler"]

_PIECE_BYTES = 1 << 20

if _path := os.environ.get("PACKAGE"):
    _piece = bytearray(_PIECE_BYTES)
    with open(_path, "rb", buffering=0) as _file:
        while _file.readinto(_piece):
            pass
    del _piece
