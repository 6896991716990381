"""Handlers that misuse what they find in their process."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import stat
import sys
import threading
from typing import Any

from aetherless_py.runtime.worker import Worker


def worker() -> Worker:
    """The one that serves this function: what it holds, its function can reach."""
    return next(
        found for each in frames() if isinstance(found := each.f_locals.get("self"), Worker)
    )


def sockets() -> list[int]:
    return [
        number
        for number in map(int, os.listdir("/proc/self/fd"))
        if os.path.exists(f"/proc/self/fd/{number}")
        and stat.S_ISSOCK(os.stat(f"/proc/self/fd/{number}").st_mode)
    ]


def rings() -> list[tuple[int, int]]:
    """Where the channel's memory is mapped, writable."""
    found = []
    with open("/proc/self/maps") as file:
        for line in file:
            place, access, *_, name = line.split(None, 5)
            if "aetherless" in name and "w" in access:
                begin, _, end = place.partition("-")
                found.append((int(begin, 16), int(end, 16)))
    return found


def segments() -> list[str]:
    return [name for name in os.listdir("/dev/shm") if name.startswith("aetherless")]


def poke(event: Any, context: Any) -> Any:
    query = event.get("queryStringParameters", {})
    what, value = query.get("do", ""), query.get("value", "")
    channel = getattr(worker(), "_channel", None)
    if what == "connection":  # nonsense where the runtime expects single bytes
        for number in sockets():
            os.set_blocking(number, False)
            with contextlib.suppress(OSError):
                os.write(number, os.urandom(1 << 16))
    elif what == "shutdown":
        for number in sockets():
            os.close(number)
    elif what == "rings":  # all that both sides keep in the rings
        for begin, end in rings():
            ctypes.memmove(begin, os.urandom(end - begin), end - begin)
    elif what == "answer":  # a message of its own making, to whichever request this is
        assert channel is not None
        number = next(
            each.f_locals["number"]
            for each in frames()
            if isinstance(each.f_locals.get("self"), Worker) and "number" in each.f_locals
        )
        channel.answer(number, bytes.fromhex(value))
    elif what in ("truncate", "grow", "punch"):  # whatever descriptor there is
        for number in map(int, os.listdir("/proc/self/fd")):
            with contextlib.suppress(OSError):
                if what == "punch":
                    punch(number)
                else:
                    os.ftruncate(number, 0 if what == "truncate" else 1 << 40)
    elif what == "flood":  # answers that nobody has asked for
        assert channel is not None
        number = 0
        with contextlib.suppress(Exception):  # the runtime has had enough
            while True:
                number += 16
                channel.answer(number, b"nobody asked")
    elif what == "threads":
        together = threading.Barrier(int(value) + 1)
        threads = [threading.Thread(target=together.wait) for _ in range(int(value))]
        for thread in threads:
            thread.start()
        together.wait(timeout=60)
        return {"threads": len(threads)}
    elif what == "look":
        return {"rings": len(rings()), "segments": segments(), "sockets": len(sockets())}
    return {"pid": os.getpid(), "collected": gc.isenabled()}


def punch(number: int) -> None:
    """Gives the pages of a file back, so that they are zeros; its size stays."""
    keep_size, punch_hole = 1, 2
    size = ctypes.c_long(os.fstat(number).st_size)
    ctypes.CDLL(None).fallocate(number, keep_size | punch_hole, ctypes.c_long(0), size)


def frames() -> list[Any]:
    found, frame = [], sys._getframe()
    while frame is not None:
        found.append(frame)
        frame = frame.f_back  # type: ignore[assignment]
    return found
