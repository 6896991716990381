"""What instances print: a file for each, bounded, in a folder of the function's."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LIMIT_BYTES = 1 << 20  # of a file; then it is renamed to .old, and a new one begun
KEPT = 64  # files of ended instances in a folder


class Log:
    """The log of one instance. What cannot be written is lost, and nothing else.

    Args:
        folder: of its function; made where it does not exist.
        instance_id: of the instance.
    """

    def __init__(self, folder: Path, instance_id: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{instance_id}.log"
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size_bytes = 0

    def write(self, data: bytes) -> None:
        """Appends what the instance has printed."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            if self._size_bytes > LIMIT_BYTES:
                os.replace(self.path, f"{self.path}.old")
                os.close(self._fd)
                self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._size_bytes = 0
            self._size_bytes += os.write(self._fd, data)

    def close(self) -> None:
        """Ends it; an empty file is removed, and the oldest of too many."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        with contextlib.suppress(OSError):
            if not self._size_bytes:
                self.path.unlink()
            logs = sorted(self.path.parent.glob("*.log"), key=lambda path: path.stat().st_mtime)
            for path in logs[:-KEPT]:
                path.unlink()
                Path(f"{path}.old").unlink(missing_ok=True)
