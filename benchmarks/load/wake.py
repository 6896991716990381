"""Waking an event loop at a given nanosecond: the loop's own timers know only milliseconds."""

from __future__ import annotations

import ctypes
import os
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_LIBC = ctypes.CDLL(None, use_errno=True)  # os.timerfd_create comes with Python 3.13
_TIMES = struct.Struct("@4l")  # itimerspec: the interval and the first time, each in s and ns


class Wake:
    """A timer of the kernel (timerfd) in an event loop.

    Args:
        loop: where `woken` is called.
        woken: called once at each time that was set.

    Raises:
        OSError: the kernel gives no timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, woken: Callable[[], None]) -> None:
        self._loop, self._woken = loop, woken
        flags = os.O_NONBLOCK | os.O_CLOEXEC
        self._fd = _LIBC.timerfd_create(time.CLOCK_MONOTONIC, flags)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        loop.add_reader(self._fd, self._fire)

    def at(self, at_ns: int) -> None:
        """Sets it.

        Args:
            at_ns: by `clock.now_ns`, above 0; what is past comes at once.
        """
        times = _TIMES.pack(0, 0, *divmod(at_ns, 1_000_000_000))
        if _LIBC.timerfd_settime(self._fd, _ABSOLUTE, times, None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _fire(self) -> None:
        os.read(self._fd, 8)
        self._woken()

    def close(self) -> None:
        """Gives it back."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)
