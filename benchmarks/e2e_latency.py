"""End to end: HTTP requests to functions in service, from outside, tails included.

What is measured stands in `benchmarks/experiments`, a file an experiment. All trials are measured
in one sitting: in each round every trial runs once, in an order drawn from a recorded seed, with a
server and a client in fresh processes of their own, on any processor: they share the machine as
they would.

`setup_cache` takes all samples; `track_latency` hands them over.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.experiments import trials
from benchmarks.experiments.base import Case, Trial, metadata_of
from benchmarks.harness.measurement import (
    MachineState,
    Tracked,
    hand_over,
    is_quick,
    iterations,
    tracked,
)
from benchmarks.harness.sitting import ROUNDS, Measured, doubts_of, ratio, sets_of, sit
from benchmarks.servers.base import not_installed

QUICK_ROUNDS = 3  # ratios without intervals
SEED = 20261126
PART = "latency"
CASES = {case.name: case for trial in trials(quick=False) for case in trial.cases}
QUICK = tuple(case.name for trial in trials(quick=True) for case in trial.cases)


def _package_lacks() -> str | None:
    """Why the package under test, which is that of any commit, cannot be measured here."""
    if why := not_installed("hdrh", "httptools", "uvloop"):
        return why
    try:
        from aetherless_py.gateway import server  # noqa: F401
    except ImportError as error:
        return f"this commit's package serves no functions: {error}"
    return None


def sitting(
    chosen: Sequence[Trial],
    rounds: int,
    samples_of: Callable[[Trial], int],
) -> Measured:
    """Measures trials in one sitting.

    Args:
        chosen: what to measure.
        rounds: how often, each time in fresh processes.
        samples_of: of each case of a trial in each round.

    Returns:
        `PART` of each case.
    """
    lacks = _package_lacks()
    by_name = {trial.name: trial for trial in chosen}
    done: Counter[str] = Counter()

    def measure(name: str, _: list[Any]) -> dict[str, dict[str, Any]]:
        trial = by_name[name]
        outcomes = trial.run(samples_of(trial), SEED + done[name])
        done[name] += 1
        return {case: outcome.as_set() for case, outcome in outcomes.items()}

    found = sit(
        {
            name: lacks or trial.missing() or [case.name for case in trial.cases]
            for name, trial in by_name.items()
        },
        measure,
        rounds,
        SEED,
        lambda name: by_name[name].group or name,
    )
    return {
        case.name: _of_case(found[name], case)
        for name, trial in by_name.items()
        for case in trial.cases
    }


def _of_case(state: dict[str, Any], case: Case) -> dict[str, Any]:
    if "parts" in state and "failed" not in state:
        return {"parts": {PART: state["parts"][case.name]}}
    return state


def metadata(measured: Measured, name: str) -> dict[str, Any]:
    """What belongs to a result: its circumstances, what the rounds said, and its ratios."""
    case = CASES[name]
    sets = sets_of(measured, name, PART)
    said = case.metadata()
    if case.rate is None and case.arrivals == "poisson":  # a share of what was found out
        said["rate"] = float(np.median([one["more"]["offered_per_s"] for one in sets]))
    return {
        **said,
        "order_seed": SEED,
        **metadata_of(sets),
        **{
            key: value
            for other in case.beside
            for key, value in ratio(
                measured, name, case.of(other), PART, f"ratio_to_{other}"
            ).items()
        },
    }


def setup_cache() -> dict[str, Any]:
    """Takes all samples, once for all benchmarks below."""
    state = MachineState()
    quick = is_quick()
    began = time.time()
    measured = sitting(
        trials(quick),
        QUICK_ROUNDS if quick else ROUNDS,
        lambda trial: iterations(trial.quick_samples if quick else trial.samples),
    )
    return {
        "measured": measured,
        "state": {**state.as_dict(), "sitting_s": time.time() - began},
    }


setup_cache.timeout = 7200  # type: ignore[attr-defined]


class Latency:
    """From handing a request to the kernel, or from its intended start, to its whole answer."""

    params = tuple(CASES)
    param_names = ("case",)
    timeout = 120

    def setup(self, cache: dict[str, Any], case: str) -> None:
        """As asv calls it."""
        if case not in cache["measured"]:
            raise NotImplementedError(f"{case} is not part of the quick pass")
        sets_of(cache["measured"], case, PART)

    @tracked("e2e")
    def track_latency(self, cache: dict[str, Any], case: str) -> Tracked:
        """The latency of each request."""
        sets = sets_of(cache["measured"], case, PART)
        return hand_over(
            "e2e_latency.Latency.track_latency",
            [case],
            sets,
            cache["state"],
            {"metadata": metadata(cache["measured"], case)},
            doubts_of(sets),
        )
