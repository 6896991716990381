"""What every test gets: a watchdog, and a look at what it left behind or spoilt."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# A shell starts what is to run in the background with SIGINT ignored, which children inherit: tests
# that interrupt them would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

WATCHDOG_S = 120
ASV_FOLDER = Path(__file__).resolve().parents[1] / ".asv"


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Ends the run with all stacks when one test hangs; no test asserts a time."""
    faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def _may_be_ours(name: str) -> bool:
    """Whether a segment may be this run's: not when a living process outside of it made it."""
    made_by = re.match(r"aetherless-(?:snapshot-)?(\d+)-", name)
    if made_by is None or not psutil.pid_exists(maker := int(made_by[1])):
        return "aether" in name
    family = {os.getpid(), *(p.pid for p in psutil.Process().children(recursive=True))}
    return maker in family


def _segments() -> set[str]:
    # Not the folder in which images are kept by default: it stays, once it is there.
    return {entry.name for entry in os.scandir("/dev/shm") if not entry.is_dir()}


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """Fails a test that leaves a segment behind."""
    before = _segments()
    yield
    left = {name for name in _segments() - before if _may_be_ours(name)}
    assert not left, f"segments left behind: {sorted(left)}"


def _asv_files() -> dict[str, tuple[int, int]]:
    """Size and last change of all that asv keeps, but for the inside of its environments."""
    found = {}
    for folder, subfolders, names in os.walk(ASV_FOLDER):
        if Path(folder).parent == ASV_FOLDER / "env":
            subfolders.clear()
            names = []
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                found[path] = (status.st_size, status.st_mtime_ns)
    return found


@pytest.fixture(autouse=True)
def asv_store_untouched() -> Iterator[None]:
    """Fails a test that changes the project's own measurements: `make bench` exports them."""
    before = _asv_files()
    yield
    after = _asv_files()
    changed = sorted(path for path in before | after if before.get(path) != after.get(path))
    assert not changed, f"changed in the project's own store: {changed}"
