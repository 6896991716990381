"""However a start, an instance or the runtime ends, nothing of a baseline is left over."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import Self

import psutil
import pytest

from aetherless_py import errors
from tests.start.support import gone
from tests.suites.starts.support import CONTAINERS, echo, left, prepared, state


def test_stop_leaves_nothing_while_the_strategy_goes_on(name: str) -> None:
    with prepared(name, echo()) as made:
        kept = [made.start()]  # what is nobody's any more Python would put away itself
        kept[0].stop()
        before = state()
        for grace_s in (0, 1.0):
            kept.append(made.start())
            assert kept[-1].invoke(b"x") == b"x"
            kept[-1].stop(grace_s)
            assert not left(before)


class _Killer(threading.Thread):
    """Kills what begins below this process, that long after the first of it was there.

    Counted from the call, a moment could be one at which there is nobody to be killed: some take
    their time before they have a process, and a start with cold caches takes longer than the next.
    Who is late, when the start is over, kills nobody.
    """

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self._after_s, self._over = after_s, threading.Event()
        self._others = self._children()
        self.born_s = time.monotonic()
        self.killed = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._new():
            if self._over.wait(0.0005):  # and the start has its turn
                return
        self.born_s = time.monotonic()
        if self._over.wait(self._after_s):
            return  # what is there now is left over, and for the test to find
        for one in self._new():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
                self.killed += 1

    def _new(self) -> set[psutil.Process]:
        return self._children() - self._others

    @staticmethod
    def _children() -> set[psutil.Process]:
        return set(psutil.Process().children(recursive=True))


@pytest.mark.slow
def test_kills_while_it_starts_leave_nothing(name: str) -> None:
    with prepared(name, echo()) as made:
        made.start().stop(grace_s=0)  # with whatever is not in the caches yet
        with _Killer(after_s=60) as spared:
            instance = made.start()
            ready_s = time.monotonic()
            instance.stop(grace_s=0)
        assert spared.killed == 0
        takes_s = ready_s - spared.born_s
        before = state()
        killed = 0
        for part in (0.0, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0):
            with _Killer(part * takes_s) as killer, contextlib.suppress(errors.StartError):
                made.start().stop(grace_s=0)
            killed += killer.killed
        assert killed
        assert not left(before)
        assert made.start().invoke(b"next") == b"next"


RUNTIME = """
    import sys, threading, time
    from aetherless_py.start.base import Function
    from benchmarks.starts import baseline
    made = baseline(sys.argv[1])
    made.prepare(Function("odd:do", path=(sys.argv[2],), ready_timeout_s=60))
    instances = [made.start(), made.start()]
    threading.Thread(target=instances[0].invoke, args=(b"hang",), daemon=True).start()
    threading.Thread(target=made.start, daemon=True).start()
    time.sleep(0.05)
    print(*(each.pid for each in instances), flush=True)
    time.sleep(600)
    """


def test_instances_end_with_a_runtime_that_is_killed(name: str, scripts: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUNTIME), name, scripts],
        stdout=subprocess.PIPE,
        text=True,
    ) as runtime:
        assert runtime.stdout is not None
        pids = [int(pid) for pid in runtime.stdout.readline().split()]
        assert len(pids) == 2
        runtime.kill()
    assert all(gone(pid) for pid in pids)
    if name not in CONTAINERS:  # the folder of the sockets stays, with nobody to remove it
        for folder in Path(tempfile.gettempdir()).iterdir():
            shutil.rmtree(folder, ignore_errors=True)  # a guard may do the same now
