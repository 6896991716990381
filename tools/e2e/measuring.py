"""The load, and how a signal ends it early."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

import psutil

from benchmarks.load.engine import END_EARLY
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Load, run
from tools.command import Stopped, stopped_by_signals
from tools.progress import SessionProgress, counted, in_words


def measured(loads: Sequence[Load]) -> tuple[list[LoadResult], int | None]:
    """Sends all runs, one after the other, and tells how far it is.

    The first signal that asks to end keeps the run under way from sending more, and the answers
    that it waits for still count. The second one ends it at once.

    Returns:
        What came of each run, and the number of the signal that ended it early, None without one.

    Raises:
        ProcessError: a generator ended without a result.
    """
    run_s = loads[0].arrivals.duration_s or 0.0
    total_s = len(loads) * run_s
    print(f"{counted(len(loads), 'run')} of load: about {in_words(total_s)}", file=sys.stderr)
    came: list[LoadResult] = []
    progress = SessionProgress(lambda name: run_s, total_s)
    try:
        with stopped_by_signals(_no_more_requests) as check, progress:
            for number, load in enumerate(loads, 1):
                progress(number - 1, len(loads), f"run {number} of {len(loads)}")
                try:
                    came.append(run(load))
                finally:
                    check()
    except Stopped as stopped:
        if came and came[-1].arrivals.get("kind") == "trace":  # whose rate is not that of a part
            came[-1] = replace(came[-1], offered_per_s=None)
        return [each for each in came if each.requests], stopped.number
    return came, None


def _no_more_requests() -> bool:
    """Tells the generator, the only child of this process; gives whether there is one."""
    generators = psutil.Process().children()
    for each in generators:
        each.send_signal(END_EARLY)
    return bool(generators)
