"""What every test gets: a watchdog, and a look at what it left in shared memory."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator

import pytest

WATCHDOG_S = 120


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Ends the run with all stacks when one test hangs; no test asserts a time."""
    faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Fails a test that leaves a segment behind."""
    before = set(os.listdir("/dev/shm"))
    yield
    left = {name for name in set(os.listdir("/dev/shm")) - before if "aether" in name}
    assert not left, f"segments left behind: {sorted(left)}"
