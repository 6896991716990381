"""What every test gets: a watchdog, and a look at what it left in shared memory."""

from __future__ import annotations

import faulthandler
import os
import re
from collections.abc import Iterator

import psutil
import pytest

WATCHDOG_S = 120


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Ends the run with all stacks when one test hangs; no test asserts a time."""
    faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def _may_be_ours(name: str) -> bool:
    """Whether a segment may be this run's: not when a living process outside of it made it."""
    made_by = re.match(r"aetherless-(\d+)-", name)
    if made_by is None or not psutil.pid_exists(maker := int(made_by[1])):
        return "aether" in name
    family = {os.getpid(), *(p.pid for p in psutil.Process().children(recursive=True))}
    return maker in family


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Fails a test that leaves a segment behind."""
    before = set(os.listdir("/dev/shm"))
    yield
    left = {name for name in set(os.listdir("/dev/shm")) - before if _may_be_ours(name)}
    assert not left, f"segments left behind: {sorted(left)}"
