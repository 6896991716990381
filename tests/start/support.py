"""What the tests of starting have in common."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from aetherless_py.start import strategy
from aetherless_py.start.base import Function, Strategy
from aetherless_py.start.snapshot_folder import PARENT
from benchmarks.starts.http_handler import program

FUNCTIONS = str(Path(__file__).parent / "functions")


def function(
    handler: str, *imports: str, ready_timeout_s: float = 30.0, **environment: str
) -> Function:
    """A function of the folder beside this file."""
    return Function(handler, imports, (FUNCTIONS,), environment, ready_timeout_s)


def as_taken_by(name: str, of: Function) -> Function:
    """The same function, such as that strategy starts."""
    if strategy(name).takes == "handler":
        return of
    return replace(of, handler="", imports=(), command=tuple(program(*of.arguments())))


@contextmanager
def prepared(name: str, of: Function) -> Iterator[Strategy]:
    """A strategy ready to start; skips where this machine cannot."""
    made = strategy(name)
    if why := made.missing():
        pytest.skip(f"{name}: {why}")
    with made:
        made.prepare(as_taken_by(name, of))
        yield made


def gone(pid: int, within_s: float = 30) -> bool:
    """Whether that process ends; what nobody has reaped yet has ended, too."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def snapshots() -> set[str]:
    """The folders of this process's snapshots that lie in memory."""
    beginning = f"aetherless-snapshot-{os.getpid()}-"
    return {name for name in os.listdir(PARENT) if name.startswith(beginning)}
