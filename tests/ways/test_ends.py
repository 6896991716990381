"""However a start, an instance or the runtime ends, nothing of a way is left over."""

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

from benchmarks.starts.base import StartError
from tests.start.support import gone
from tests.ways.support import echo, left, prepared, state


def test_stop_leaves_nothing_while_the_way_goes_on(beside: str) -> None:
    with prepared(beside, echo()) as made:
        kept = [made.start()]  # what is nobody's any more Python would put away itself
        kept[0].stop()
        before = state()
        for _ in range(2):
            kept.append(made.start())
            assert kept[-1].invoke(b"x") == b"x"
            kept[-1].stop()
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
def test_kills_while_it_starts_leave_nothing(beside: str) -> None:
    with prepared(beside, echo()) as made:
        made.start().stop()  # with whatever is not in the caches yet
        with _Killer(after_s=60) as spared:
            instance = made.start()
            ready_s = time.monotonic()
            instance.stop()
        assert spared.killed == 0
        takes_s = ready_s - spared.born_s
        before = state()
        killed = 0
        for part in (0.0, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0):
            with _Killer(part * takes_s) as killer, contextlib.suppress(StartError):
                made.start().stop()
            killed += killer.killed
        assert killed
        assert not left(before)
        assert made.start().invoke(b"next") == b"next"


MEASURES = """
    import sys, threading, time
    from benchmarks.starts import way
    from benchmarks.starts.base import Function
    made = way(sys.argv[1])()
    made.prepare(Function("odd:do", path=(sys.argv[2],)))
    instances = [made.start(), made.start()]
    threading.Thread(target=instances[0].invoke, args=(b"hang",), daemon=True).start()
    threading.Thread(target=made.start, daemon=True).start()
    time.sleep(0.05)
    print(*(each.pid for each in instances), flush=True)
    time.sleep(600)
    """


def test_instances_end_with_the_process_that_measures(beside: str, scripts: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(MEASURES), beside, scripts],
        stdout=subprocess.PIPE,
        text=True,
    ) as measures:
        assert measures.stdout is not None
        pids = [int(pid) for pid in measures.stdout.readline().split()]
        assert len(pids) == 2
        measures.kill()
    assert all(gone(pid) for pid in pids)
    # The folder of the sockets stays, with nobody to remove it.
    for folder in Path(tempfile.gettempdir()).iterdir():
        shutil.rmtree(folder, ignore_errors=True)  # a container's watcher may do the same now
