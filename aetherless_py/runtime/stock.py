"""Channels made ahead: to allocate the memory of one takes longer than to start an instance."""

from __future__ import annotations

import threading
from collections import deque

from aetherless_py.channel import Channel


class Stock:
    """A few channels that wait for an instance. May be used by several threads.

    Args:
        capacity_bytes: of each ring.
        size: how many are kept.
    """

    def __init__(self, capacity_bytes: int, size: int = 2) -> None:
        self._capacity_bytes, self._size = capacity_bytes, size
        self._ready: deque[Channel] = deque()
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Channel:
        """One of them, or a new one where none is left.

        Raises:
            SegmentNoSpaceError: there is no memory for one.
        """
        try:
            return self._ready.popleft()
        except IndexError:
            return self._make()

    def fill(self) -> None:
        """Makes up for those that were taken."""
        while len(self._ready) < self._size and not self._closed:
            made = self._make()
            with self._lock:
                if not self._closed:
                    self._ready.append(made)
                    continue
            discard(made)

    def _make(self) -> Channel:
        # Mapped page by page as messages come: to map all of it takes longer than to allocate it,
        # and few instances see a message on each of its pages.
        return Channel.create(self._capacity_bytes, populate=False)

    def close(self) -> None:
        """Removes those that are left. May be called again."""
        with self._lock:
            self._closed = True
        while self._ready:
            discard(self._ready.popleft())


def discard(channel: Channel) -> None:
    """Removes a channel that nobody uses."""
    channel.close()
    channel.unlink()
