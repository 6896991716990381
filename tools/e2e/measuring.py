"""The first request, whose answer decides whether there is a load, and the load."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.harness.processes import ProcessError
from benchmarks.load import outcomes
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from tools.durations import counted, in_words
from tools.e2e.plan import Plan
from tools.progress import SessionProgress


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
    """Sends all runs, one after the other, and tells how far it is.

    Raises:
        MeasuringError: a generator ended without a result.
    """
    runs = len(plan.loads)
    total_s = runs * plan.run_s
    print(f"{counted(runs, 'run')} of load: about {in_words(total_s)}", file=sys.stderr)
    came: list[LoadResult] = []
    with SessionProgress(lambda name: plan.run_s, total_s) as progress:
        for load in plan.loads:
            progress(len(came), runs, f"run {len(came) + 1} of {runs}")
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
