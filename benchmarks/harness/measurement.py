"""One measurement: samples from several fresh processes, with all that belongs to them."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

import numpy as np

from benchmarks.harness import journal
from benchmarks.harness.processes import Task, run_fresh
from benchmarks.harness.statistics import between_block_spread
from benchmarks.harness.system_info import SystemInfo, environment, steal_seconds

Tracked: TypeAlias = dict[str, Any]

# How many samples each process takes, where the one who runs the suites wants another number.
ITERATIONS_VARIABLE = "AETHERLESS_ITERATIONS"

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


def sample_set(samples_ns: Any, number: int, sampling: str, clock_cost_ns: float) -> dict[str, Any]:
    """What a sampling function gives back from its process.

    Args:
        samples_ns: durations of one operation in ns, one dimension.
        number: operations a sample, 1 unless `sampling` is "blocks".
        sampling: "per_operation" or "blocks".
        clock_cost_ns: see `clock.clock_cost_ns`.
    """
    return {
        "samples_ns": [float(sample) for sample in samples_ns],
        "number": number,
        "sampling": sampling,
        "clock_cost_ns": clock_cost_ns,
    }


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
    state = environment()
    stolen_before = steal_seconds()
    sets = [run_fresh(task, timeout_s) for task in tasks]
    stolen = steal_seconds() - stolen_before
    first = sets[0]
    blocks = [np.array(one["samples_ns"], dtype=np.float64) for one in sets]
    if any(len(block) != len(blocks[0]) or len(block) == 0 for block in blocks):
        raise ValueError(f"{benchmark}: processes gave {[len(b) for b in blocks]} samples")
    kinds = {(one["number"], one["sampling"]) for one in sets}
    if len(kinds) != 1:
        raise ValueError(f"{benchmark}: processes sampled in different ways: {sorted(kinds)}")
    if not all(np.isfinite(block).all() and block.min() >= 0 for block in blocks):
        raise ValueError(f"{benchmark}: a sample is negative or not finite")
    clock_cost_ns = float(np.median([one["clock_cost_ns"] for one in sets]))
    samples = np.concatenate(blocks)
    journal.append(
        benchmark,
        [repr(parameter) for parameter in parameters],
        {
            "sampling": first["sampling"],
            "number": first["number"],
            "processes": len(sets),
            "samples_per_process": len(blocks[0]),
            "clock_cost_ns": clock_cost_ns,
            "warnings": warnings_of(blocks, first["sampling"], clock_cost_ns, stolen),
            "cpu": tasks[0].cpu,
            "system_info": SystemInfo.collect().as_dict(),
            "environment": {**state, "steal_seconds": stolen, "harness_pid": os.getpid()},
        },
    )
    return {"samples": (samples / 1e9).tolist(), "number": first["number"]}


def warnings_of(
    blocks: list[Any], sampling: str, clock_cost_ns: float, stolen_s: float
) -> list[str]:
    """What makes these samples doubtful, in words."""
    found = []
    samples = np.concatenate(blocks)
    if len(blocks) < FEWEST_PROCESSES:
        found.append(f"few processes: {len(blocks)}")
    elif (between := between_block_spread(blocks)) > SPREAD_BETWEEN:
        found.append(f"medians of processes differ by {between:.0%}")
    # Quartiles, since every set of latencies has a tail that blows the standard deviation up.
    low, median, high = np.quantile(samples, [0.25, 0.5, 0.75])
    if high - low > SPREAD_WITHIN * median:
        found.append(
            f"wide spread: the middle half spans {(high - low) / median:.0%} of the median"
        )
    if sampling == "per_operation" and np.median(samples) < CLOCK_RATIO * clock_cost_ns:
        found.append(f"near the clock's cost of {clock_cost_ns:.0f} ns")
    if stolen_s > 0:
        found.append(f"the hypervisor took {stolen_s:.2f} s of processor time away")
    return found
