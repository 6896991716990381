"""Functions that have threads of their own before they are asked for the first time."""

from __future__ import annotations

import queue
import threading

import numpy as np


class _Worker:
    """A Python thread that doubles numbers."""

    def __init__(self) -> None:
        self._asked: queue.Queue[int] = queue.Queue()
        self._answers: queue.Queue[int] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            self._answers.put(2 * self._asked.get())

    def double(self, number: int) -> int:
        self._asked.put(number)
        return self._answers.get(timeout=30)


_worker = _Worker()


def in_python(request: bytes) -> bytes:
    return b"%d" % _worker.double(int(request))


def in_c(request: bytes) -> bytes:
    """numpy's library has threads of its own, besides."""
    ones = np.ones((300, 300))
    assert (ones @ ones)[0, 0] == 300
    return b"%d" % (2 * int(request))
