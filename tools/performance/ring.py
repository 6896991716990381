"""The ring beside the machine's floor: a C ring that spins and checks nothing.

Each round runs every row once, ring and floor right after each other and in turn first, each in
fresh processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.progress import track

from benchmarks import ring_buffer
from benchmarks.harness.floor import floor_samples
from benchmarks.harness.processes import Task, available_cpus, run_fresh
from benchmarks.harness.statistics import Floats, median_of_medians, ratio_interval
from tools.performance import ring_between
from tools.performance.goal import Goal, as_ratio
from tools.table import human_ns

Cpus = tuple[int, int]
TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Row:
    """A way through the ring, the floor it stands on, and the ratio that it must reach."""

    name: str
    ring: Callable[[Cpus], Floats]
    floor: Callable[[Cpus], Floats]
    wanted: float | None = None


def _roundtrip(
    way: ring_between.Way, size: int, wanted: float | None = None, checksum: bool = True
) -> Row:
    count = 20_000 if size < 16384 else 4_000
    calls = "write/read" if way == "copy" else "reserve/peek"
    return Row(
        f"two processes, round trip, {size} B, {calls}{'' if checksum else ', no checksum'}",
        lambda cpus: ring_between.roundtrips(way, size, count, cpus, checksum),
        lambda cpus: floor_samples("pingpong", size, count, cpus, TIMEOUT_S),
        wanted,
    )


def _stream(size: int, wanted: float | None = None) -> Row:
    return Row(
        f"two processes, one way, {size} B, write_many/read_many",
        lambda cpus: ring_between.stream(size, 2_000_000, cpus),
        lambda cpus: floor_samples("oneway", size, 4_000_000, cpus, TIMEOUT_S),
        wanted,
    )


def _calls(size: int) -> Row:
    """What the interpreter's own calls cost: the cheapest pair that puts in and takes out."""
    count = 2_000_000

    def deque(cpus: Cpus) -> Floats:
        task = Task("tools.performance.ring_between:deque_calls", {"count": count}, cpus[0])
        return np.array(run_fresh(task, TIMEOUT_S))

    return Row(
        "one thread, `deque.append` + `popleft`, which copy nothing, for comparison",
        deque,
        lambda cpus: floor_samples("same", size, count, cpus, TIMEOUT_S),
    )


def _one_thread(size: int, wanted: float | None = None) -> Row:
    def ring(cpus: Cpus) -> Floats:
        task = ring_buffer.sampling_of("roundtrip", size, cpus[0])
        return np.array(run_fresh(task, ring_buffer.TIMEOUT_S)["samples_ns"])

    return Row(
        f"one thread, write + read, {size} B",
        ring,
        lambda cpus: floor_samples("same", size, 2_000_000, cpus, TIMEOUT_S),
        wanted,
    )


ROWS = (
    _roundtrip("copy", 64, 1.5),
    _roundtrip("copy", 1024, 1.5),
    _roundtrip("copy", 65536, 1.7),
    _roundtrip("zero_copy", 65536, 1.3),
    _roundtrip("zero_copy", 65536, 0.8, checksum=False),
    _one_thread(64, 12),
    _calls(64),
    _stream(64, 12.5),  # 6 million a second where the floor has 75 million
    _stream(1024),
)


def measure(rounds: int) -> list[str]:
    """All rows; gives lines of Markdown."""
    available = available_cpus()
    cpus = available[0], available[-1]
    blocks: dict[tuple[str, str], list[Floats]] = {}
    for i in track(range(rounds), "rounds"):
        for row in ROWS:
            sides = [("ring", row.ring), ("floor", row.floor)]
            for side, run in sides if i % 2 else reversed(sides):
                blocks.setdefault((row.name, side), []).append(run(cpus))
    lines = [
        "| | ring, median | floor, median | ratio [95 %] | wanted | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        ring, floor = blocks[row.name, "ring"], blocks[row.name, "floor"]
        ratio, low, high = ratio_interval(ring, floor)
        medians = [human_ns(median_of_medians(side)) for side in (ring, floor)]
        wanted = ["", ""]
        if row.wanted is not None:
            goal = Goal(row.name, row.wanted)
            wanted = [goal.wanted(as_ratio), goal.verdict(low, high)]
        lines.append(
            f"| {row.name} | {' | '.join(medians)} | {ratio:.2f} [{low:.2f}, {high:.2f}]"
            f" | {' | '.join(wanted)} |"
        )
    return lines
