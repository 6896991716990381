"""What an instance prints: kept apart from everybody else's, the last part of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

TAIL_BYTES = 65536


class Output:
    """The pipe into which an instance prints; whoever waits for the instance drains it.

    Nothing reads beside those waits: an idle instance that prints more than a pipe holds waits
    until it is asked again.

    Attributes:
        sink: is given all that is drained, as it comes.
    """

    def __init__(self) -> None:
        self._read, self.write_fd = os.pipe()
        os.set_blocking(self._read, False)
        self._tail = bytearray()
        self.sink: Callable[[bytes], object] | None = None

    def pour(self, sink: Callable[[bytes], object]) -> None:
        """Gives it what has been printed, as far as that is kept, and what will be, as it comes."""
        self.sink = sink
        if self._tail:
            sink(bytes(self._tail))

    def fileno(self) -> int:
        return self._read

    def close_writer(self) -> None:
        """The writing end is the instance's alone now."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def drain(self, reads: int = 16) -> bool:
        """Takes what is there; False when nobody is left who could print.

        Args:
            reads: at most so many: one that prints without end must not hold up who reads it.
        """
        try:
            for _ in range(reads):
                data = os.read(self._read, TAIL_BYTES)
                if not data:
                    return False
                if self.sink is not None:
                    self.sink(data)
                self._tail += data
                del self._tail[:-TAIL_BYTES]
                if len(data) < TAIL_BYTES:
                    break
        except BlockingIOError:
            pass
        return True

    def tail(self) -> str:
        """The last that it printed, at most `TAIL_BYTES`."""
        if self._read >= 0:
            self.drain()
        return self._tail.decode(errors="replace").strip()

    def close(self) -> None:
        """Keeps the tail; may be called again."""
        self.close_writer()
        if self._read >= 0:
            with contextlib.suppress(OSError):
                self.drain()
            os.close(self._read)
            self._read = -1
