"""The ring beside the machine's floor: ``python -m tools.performance [--rounds N] [--cpus A,B]``

Each round runs every row once, ring and floor right after each other and in turn first, each in
fresh processes; the ratio is the median of the rounds' ratios. Prints the table of
docs/performance.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import track

from benchmarks import ring_buffer
from benchmarks.harness.floor import floor_samples
from benchmarks.harness.processes import available_cpus, run_fresh
from benchmarks.harness.statistics import Floats, median_of_medians, ratio_interval, verdict
from benchmarks.harness.system_info import SystemInfo, environment
from tools import ring_between
from tools.table import human_ns

Cpus = tuple[int, int]
TIMEOUT_S = 120.0
FEWEST_ROUNDS = 6  # for an interval of 95 %


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
    _stream(64, 12.5),  # 6 million a second where the floor has 75 million
    _stream(1024),
)


def table(cpus: Cpus, rounds: int) -> list[str]:
    """Measures all rows; gives the lines of a Markdown table.

    Args:
        cpus: the processors of the two processes.
        rounds: how many fresh pairs of each side, 6 or more.
    """
    blocks: dict[tuple[str, str], list[Floats]] = {}
    for i in track(range(rounds), "rounds"):
        for row in ROWS:
            sides = [("ring", row.ring), ("floor", row.floor)]
            for side, run in sides if i % 2 else reversed(sides):
                blocks.setdefault((row.name, side), []).append(run(cpus))
    lines = [
        "| | ring, median | floor, median | ratio [95 %] | wanted at most | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        ring, floor = blocks[row.name, "ring"], blocks[row.name, "floor"]
        ratio, low, high = ratio_interval(ring, floor)
        medians = [human_ns(median_of_medians(side)) for side in (ring, floor)]
        wanted = ["", ""]
        if row.wanted is not None:
            wanted = [f"{row.wanted:g}", verdict(low, high, row.wanted)]
        lines.append(
            f"| {row.name} | {medians[0]} | {medians[1]} | {ratio:.2f} [{low:.2f}, {high:.2f}]"
            f" | {wanted[0]} | {wanted[1]} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.performance",
        description="Measure the ring beside the machine's floor.",
        allow_abbrev=False,
    )
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="6 or more; default 10")
    parser.add_argument("--cpus", metavar="A,B", help="two processors; default: the first two")
    options = parser.parse_args(arguments)
    available = available_cpus()
    try:
        cpus = [int(cpu) for cpu in options.cpus.split(",")] if options.cpus else available[:2]
    except ValueError:
        cpus = []
    if len(cpus) != 2 or cpus[0] == cpus[1] or not set(cpus) <= set(available):
        parser.error(f"--cpus {options.cpus}: give two different ones of {available}, as 0,1")
    if options.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds {options.rounds}: an interval needs at least {FEWEST_ROUNDS}")
    info = SystemInfo.collect()
    lines = table((cpus[0], cpus[1]), options.rounds)
    print(f"{info.cpu_model}, {info.cpu_cores} cores, Linux {info.kernel_version}; {environment()}")
    print("\n".join(lines))
    for wait in ("spin", "adaptive", "park"):
        share = ring_between.idle_share(wait, 1.0, cpus[0])
        print(f"idle for a second, {wait}: {share:.2%} of a processor")
    return 0


if __name__ == "__main__":
    sys.exit(main())
