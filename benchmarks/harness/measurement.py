"""One measurement: samples from several fresh processes, with all that belongs to them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from benchmarks.harness import journal
from benchmarks.harness.processes import Task, run_fresh
from benchmarks.harness.statistics import between_block_spread, median_of_medians
from benchmarks.harness.system_info import SystemInfo, environment, steal_seconds

Tracked: TypeAlias = dict[str, Any]
Track = TypeVar("Track", bound=Callable[..., Tracked])

# How many samples each process takes, where the one who runs the suites wants another number.
ITERATIONS_VARIABLE = "AETHERLESS_ITERATIONS"

# Set to 1 where a representative part of each suite is to be measured.
QUICK_VARIABLE = "AETHERLESS_QUICK"

# What the one who runs the suites knows to be doubtful about them, a line each.
DOUBTS_VARIABLE = "AETHERLESS_DOUBTS"

# What makes a result doubtful; said in the result, never hidden.
SPREAD_BETWEEN = 0.10
SPREAD_WITHIN = 0.10
FEWEST_PROCESSES = 3
CLOCK_RATIO = 20.0


def iterations(standard: int) -> int:
    """How many samples a process is to take: `standard`, or what the variable says.

    Raises:
        ValueError: the variable holds no number of 1 or more.
    """
    wanted = os.environ.get(ITERATIONS_VARIABLE, str(standard))
    if not wanted.isdecimal() or int(wanted) < 1:
        raise ValueError(f"{ITERATIONS_VARIABLE}={wanted!r}: give a number of 1 or more")
    return int(wanted)


def is_quick() -> bool:
    """Whether only a representative part is to be measured."""
    return os.environ.get(QUICK_VARIABLE) == "1"


def measure(benchmark: str, parameters: list[Any], tasks: list[Task], timeout_s: float) -> Tracked:
    """Runs each task in a fresh process, one after the other, and joins their samples.

    Each task returns a `sample_set`. Blocks stay in order and are of equal length, so that they
    can be told apart in the store.

    Args:
        benchmark: asv's full name of the benchmark.
        parameters: its parameters.
        tasks: one for each process.
        timeout_s: watchdog of each process.

    Returns:
        What a `track_*` method hands to asv: samples in seconds, and operations a sample.

    Raises:
        ValueError: a process gave no samples, or another number of them than the first.
        NotImplementedError, ProcessError: as `processes.run_fresh`.
    """
    state = MachineState()
    sets = [run_fresh(task, timeout_s) for task in tasks]
    return hand_over(benchmark, parameters, sets, state.as_dict(), {"cpu": tasks[0].cpu})


def tracked(name: str, version: int = 1) -> Callable[[Track], Track]:
    """Marks a `track_*` method that hands over samples: its result's name, and their unit.

    asv stores `pretty_name`, which the export takes for the name. The harness gives seconds, which
    asv shows in human units only when told so.

    Args:
        name: of the result.
        version: of the instrument; asv holds only figures of the same one against each other.
    """

    def mark(method: Track) -> Track:
        told = {"pretty_name": name, "unit": "seconds", "type": "time", "version": str(version)}
        for key, value in told.items():
            setattr(method, key, value)
        return method

    return mark


class MachineState:
    """The machine at the start of a measurement, to be said of it at its end."""

    def __init__(self) -> None:
        self._began_at_ms = time.time_ns() // 1_000_000
        self._environment = environment()
        self._stolen_s = steal_seconds()

    def as_dict(self) -> dict[str, Any]:
        """What belongs to the run record."""
        stolen_s = steal_seconds() - self._stolen_s
        return {
            **self._environment,
            # A suite that measures ahead hands over later, and asv notes only that.
            "began_at_ms": self._began_at_ms,
            "steal_seconds": stolen_s,
            "harness_pid": os.getpid(),
        }


def hand_over(
    benchmark: str,
    parameters: list[Any],
    sets: Sequence[dict[str, Any]],
    state: dict[str, Any],
    extra: dict[str, Any],
    doubts: Sequence[str] = (),
) -> Tracked:
    """Joins the samples of several processes, and notes what belongs to them.

    Args:
        benchmark: asv's full name of the benchmark.
        parameters: its parameters.
        sets: a `sample_set` of each process, in the order in which they ran.
        state: `MachineState.as_dict()` of an object from before the first one.
        extra: more for the run record; "metadata" in it reaches the exported result.
        doubts: what the one who measured knows to be doubtful about it, a line each.

    Returns, raises:
        As `measure`.
    """
    blocks = [np.array(one["samples_ns"], dtype=np.float64) for one in sets]
    if any(len(block) != len(blocks[0]) or len(block) == 0 for block in blocks):
        raise ValueError(f"{benchmark}: processes gave {[len(b) for b in blocks]} samples")
    kinds = {(one["number"], one["sampling"]) for one in sets}
    if len(kinds) != 1:
        raise ValueError(f"{benchmark}: processes sampled in different ways: {sorted(kinds)}")
    if not all(np.isfinite(block).all() and block.min() >= 0 for block in blocks):
        raise ValueError(f"{benchmark}: a sample is negative or not finite")
    number, sampling = kinds.pop()
    costs = [one["clock_cost_ns"] for one in sets]
    clock_cost_ns = None if None in costs else float(np.median(costs))
    samples = (np.concatenate(blocks) / 1e9).tolist()
    journal.append(
        benchmark,
        [repr(parameter) for parameter in parameters],
        samples,
        {
            "sampling": sampling,
            "number": number,
            "processes": len(sets),
            "samples_per_process": len(blocks[0]),
            "clock_cost_ns": clock_cost_ns,
            "warnings": [
                *doubts,
                *warnings_of(blocks, sampling, clock_cost_ns, state["steal_seconds"]),
            ],
            "system_info": SystemInfo.collect().as_dict(),
            "environment": state,
            **extra,
        },
    )
    return {"samples": samples, "number": number}


def warnings_of(
    blocks: list[Any], sampling: str, clock_cost_ns: float | None, stolen_s: float
) -> list[str]:
    """What makes these samples doubtful, in words."""
    found = [doubt for doubt in os.environ.get(DOUBTS_VARIABLE, "").splitlines() if doubt]
    samples = np.concatenate(blocks)
    # Quartiles, since every set of latencies has a tail that blows the standard deviation up.
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75])
    is_told = min(median, median_of_medians(blocks)) > 0
    if not is_told:
        found.append("the median is 0: this is shorter than the clock can tell")
    if len(blocks) < FEWEST_PROCESSES:
        found.append(f"few processes: {len(blocks)}")
    elif is_told and (between := between_block_spread(blocks)) > SPREAD_BETWEEN:
        found.append(f"medians of processes differ by {between:.0%}")
    if is_told and high - low > SPREAD_WITHIN * median:
        found.append(
            f"wide spread: the middle half spans {(high - low) / median:.0%} of the median"
        )
    clock_ns = clock_cost_ns if sampling == "per_operation" else None
    if clock_ns is not None and median < CLOCK_RATIO * clock_ns:
        found.append(f"near the clock's cost of {clock_ns:.0f} ns")
    if stolen_s > 0:
        found.append(f"the hypervisor took {stolen_s:.2f} s of processor time away")
    return found
