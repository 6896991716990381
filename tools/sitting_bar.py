"""A bar for the sitting that a suite is in: asv itself says nothing until it is over."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from rich.progress import Progress, TaskID

LOOK_S = 0.3
LINE_S = 60.0  # between the lines of a log, which has no bars


@contextlib.contextmanager
def sitting_bar(bar: Progress, told: Path) -> Iterator[None]:
    """Shows, as long as it is open, what a suite says of its sitting; a line a minute to a log.

    Args:
        bar: where; its row is hidden while there is no sitting.
        told: the file that the suites write to (`benchmarks.harness.progress`).
    """
    task = bar.add_task("", total=None, visible=False)
    over = threading.Event()

    def follow() -> None:
        next_line_s = time.monotonic() + LINE_S
        while not over.wait(LOOK_S):
            show(bar, task, told)
            if not bar.console.is_terminal and time.monotonic() > next_line_s:
                next_line_s += LINE_S
                _write(bar, task)

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()
        bar.update(task, visible=False)


def show(bar: Progress, task: TaskID, told: Path) -> None:
    """Brings the row up to what was said last."""
    try:
        whole, end, _ = told.read_text().rpartition("\n")
    except FileNotFoundError:  # nobody has begun
        return
    if not end:
        return
    done, total, what = whole.rpartition("\n")[2].split(" ", 2)
    if float(done) < bar.tasks[task].completed:  # another sitting: its time is its own
        bar.reset(task)
    bar.update(
        task, completed=float(done), total=float(total), description=what, visible=done != total
    )


def _write(bar: Progress, task: TaskID) -> None:
    row = bar.tasks[task]
    if row.visible:
        bar.console.print(f"{row.completed:.0f} of {row.total:.0f} measured: {row.description}")
