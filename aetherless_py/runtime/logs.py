"""What instances print: a file for each, bounded, in a folder of the function's."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LIMIT_BYTES = 1 << 20  # of a file; then it is renamed to .old, and a new one begun
KEPT = 64  # files of ended instances in a folder
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
_live: set[Path] = set()  # of instances that have not ended


class Log:
    """The log of one instance. What cannot be written is lost, and nothing else.

    Args:
        folder: of its function; made where it does not exist.
        instance_id: of the instance.
    """

    def __init__(self, folder: Path, instance_id: str) -> None:
        self.path = folder / f"{instance_id}.log"
        self._fd, self._size_bytes, self._line_ended = -1, 0, True
        self._begun = False
        _live.add(self.path)

    def _begin(self) -> None:
        # Not before something was printed: a first request would wait for it.
        self._begun = True
        with contextlib.suppress(OSError):  # an instance without a log is better than none
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_APPEND | _FLAGS, 0o600)

    def write(self, data: bytes) -> None:
        """Appends what the instance has printed."""
        if not self._begun:
            self._begin()
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            if self._size_bytes > LIMIT_BYTES:
                # Divided where a line ends, if one does.
                end = 0 if self._line_ended else data.find(b"\n") + 1
                os.write(self._fd, data[:end])
                data = data[end:]
                if not data:
                    self._line_ended = True
                    return
                os.replace(self.path, f"{self.path}.old")
                fresh = os.open(self.path, os.O_APPEND | _FLAGS, 0o600)
                os.close(self._fd)
                self._fd, self._size_bytes = fresh, 0
            self._size_bytes += os.write(self._fd, data)
            self._line_ended = data.endswith(b"\n")

    def close(self) -> None:
        """Ends it; the oldest of too many are removed."""
        self._begun = True  # what still comes is too late
        _live.discard(self.path)
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        with contextlib.suppress(OSError):
            ended = (path for path in self.path.parent.glob("*.log") if path not in _live)
            for path in sorted(ended, key=lambda path: path.stat().st_mtime)[:-KEPT]:
                path.unlink()
                Path(f"{path}.old").unlink(missing_ok=True)
