"""The first request, whose answer decides whether there is a load, and the load."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.harness.processes import ProcessError
from benchmarks.load import outcomes
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from tools.e2e.plan import Plan


class MeasuringError(RuntimeError):
    """There is no result; the message says in one line why."""


def first_request(plan: Plan) -> LoadResult:
    """Sends one request, and nothing else.

    Raises:
        MeasuringError: the answer is not right, or there is none.
    """
    came = _run(replace(plan.loads[0], arrivals=Closed(1, 1)))
    if came.succeeded:
        return came
    [(failure, why)] = came.why.items()
    said = why if why.startswith(failure) else f"{failure}: {why}"
    hint = ""
    if failure == outcomes.name(outcomes.WRONG) and not plan.chosen:
        hint = "; say what it serves by --workload or --expect"
    raise MeasuringError(
        f"the first request to {plan.target} failed, and nothing else was sent: {said}; "
        f"expected {plan.expected}{hint}"
    )


def measured(plan: Plan) -> Sequence[LoadResult]:
    """Sends all runs, one after the other, with a bar that shows the time left.

    Raises:
        MeasuringError: a generator ended without a result.
    """
    came = []
    with _Bar(len(plan.loads), plan.run_s) as bar:
        for load in plan.loads:
            bar.begin_run()
            came.append(_run(load))
    return came


def _run(load: Load) -> LoadResult:
    try:
        return run(load)
    except ProcessError as error:
        last = str(error).strip().splitlines()[-1]
        raise MeasuringError(
            f"the load cannot be sent: {last.removeprefix('OSError: ')}"
        ) from error


class _Bar(Progress):
    """Moves by the clock: how long a run sends is known, how far it is cannot be seen from here.

    Args:
        runs: their number.
        run_s: how long each sends.
    """

    def __init__(self, runs: int, run_s: float) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
        )
        console = Console(stderr=True)
        super().__init__(*columns, console=console, transient=True, refresh_per_second=4)
        self._runs, self._run_s = runs, run_s
        self._run = 0
        self._began_s = time.monotonic()
        self._shown = self.add_task("", total=runs * run_s, left="")

    def begin_run(self) -> None:
        """The next run begins."""
        self._run += 1
        self._began_s = time.monotonic()

    def get_renderables(self) -> Iterable[RenderableType]:
        """As `Progress.get_renderables`, of this moment."""
        for task in self.tasks:  # none before there is the only one
            passed_s = min(time.monotonic() - self._began_s, self._run_s)
            done_s = max(0, self._run - 1) * self._run_s + passed_s
            left_s = math.ceil(self._runs * self._run_s - done_s)
            left = f"{timedelta(seconds=left_s)} left" if left_s else "finishing"
            words = f"run {max(1, self._run)} of {self._runs}" if self._runs > 1 else "sending"
            self.update(task.id, completed=done_s, description=words, left=left)
        yield from super().get_renderables()
