"""What the tests of the ways of starting have in common."""

from __future__ import annotations

import contextlib
import glob
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.starts import way
from benchmarks.starts.base import PROGRAMS, Function, Way
from tests.start.support import descriptors

CONTAINERS = {"container", "lambda_runtime_container"}


def able(name: str) -> str:
    """That name; skips where this machine lacks what it needs."""
    if why := way(name).missing():
        pytest.skip(f"{name}: {why}")
    return name


def echo(*imports: str) -> Function:
    """The function that all ways are measured with."""
    return Function("cold:echo", imports, (PROGRAMS,))


def odd(scripts: str) -> Function:
    """One that does on request what functions should not do."""
    return Function("odd:do", (), (scripts,))


@contextlib.contextmanager
def prepared(name: str, function: Function, burst: int = 1) -> Iterator[Way]:
    """A way ready to start."""
    with way(name)(burst) as made:
        made.prepare(function)
        yield made


def state() -> set[str]:
    """What instances could leave of themselves, each thing by a name."""
    found = {f"process {one.pid} under this one" for one in psutil.Process().children(True)}
    for one in psutil.process_iter():  # wherever it hangs
        with contextlib.suppress(psutil.Error, OSError):
            if one.environ().get("AETHER_TEST") == str(os.getpid()):
                found.add(f"process {one.pid}")
    # Not by pathlib, which raises where a folder goes away while it looks.
    for pattern in ("aetherless-*", "*/aetherless-*"):
        found |= set(glob.glob(f"/sys/fs/cgroup/{pattern}"))
    for folder, folders, files in os.walk(tempfile.gettempdir()):
        found |= {os.path.join(folder, name) for name in (*folders, *files)}
    found |= set(Path("/proc/self/mountinfo").read_text().splitlines())
    return found | {f"descriptor {number}" for number in range(descriptors())}


def left(before: set[str]) -> set[str]:
    """What is there beyond that; the kernel, and others' tests, have some time to end theirs."""
    until = time.monotonic() + 30
    while (found := state() - before) and time.monotonic() < until:
        time.sleep(0.05)
    return found


@pytest.fixture(autouse=True)
def nothing_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No process, cgroup, mount, descriptor, socket or folder is left over.

    For the folders whose conftest imports it.
    """
    tmp_path_factory.getbasetemp()
    with leaves_nothing(monkeypatch):
        yield


@contextlib.contextmanager
def leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails where a process, cgroup, mount, descriptor or file is left over.

    Meanwhile temporary files go into a folder of their own.
    """
    for one in CONTAINERS:  # the trial of the runtimes is once for all
        way(one).missing()
    with tempfile.TemporaryDirectory(prefix="starts-") as own:  # a short name, for the sockets
        monkeypatch.setattr(tempfile, "tempdir", own)
        monkeypatch.setenv("TMPDIR", own)
        monkeypatch.setenv("AETHER_TEST", str(os.getpid()))
        before = state()
        yield
        assert not left(before)
