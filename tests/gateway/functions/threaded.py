"""A module whose import begins threads, and functions that need them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_beats: list[int] = []


def _beat() -> None:
    while True:
        time.sleep(0.01)
        _beats.append(1)


threading.Thread(target=_beat, name="beats", daemon=True).start()
_pool = ThreadPoolExecutor(1, "pool")
_pool.submit(int).result()


def alive(event: Any, context: Any) -> Any:
    """What its threads still do; waits until they have."""
    before = len(_beats)
    while len(_beats) == before:
        time.sleep(0.001)
    return {"beats": True, "pool": _pool.submit(lambda: 42).result()}


def names(event: Any, context: Any) -> Any:
    """Which threads there are."""
    return sorted(each.name for each in threading.enumerate())
