"""The ring beside the other ways between two processes, each pair right after each other.

`ratio` of a pair is that of the first to the second; each side runs in a fresh pair of processes in
each round, and goes first in every other one. The samples are those of the suite ipc.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.progress import track

from benchmarks.harness.processes import available_cpus
from benchmarks.harness.statistics import Floats, median_of_medians
from benchmarks.ipc import SAMPLES, roundtrips
from tools.performance import ring_between
from tools.performance.goal import HEAD, Goal
from tools.table import human_ns

IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two ways, and what their ratio must be; None where it is only to be seen."""

    first: str
    second: str
    size_bytes: int
    goal: Goal

    @property
    def sides(self) -> tuple[str, str]:
        return self.first, self.second


def _pair(first: str, second: str, size_bytes: int, bound: float, at_least: bool = True) -> Pair:
    name = f"{first} to {second}, {size_bytes} B"
    return Pair(first, second, size_bytes, Goal(name, bound, at_least))


RING, IN_PLACE = "shared_memory", "shared_memory_zero_copy"
PAIRS = (
    _pair("unix_socket", RING, 64, 60),
    _pair("unix_socket", RING, 1024, 60),
    _pair("iceoryx2", RING, 64, 7),
    _pair("iceoryx2_zero_copy", IN_PLACE, 64, 7),
    _pair("iceoryx2", IN_PLACE, 65536, 1.3),
    _pair("iceoryx2_zero_copy", IN_PLACE, 65536, 1.3),
    _pair("iceoryx2_zero_copy", "shared_memory_zero_copy_unchecked", 65536, 1.3),
    _pair("http_json_uvicorn", RING, 1024, 200),
    _pair(RING, "shared_memory_spin", 64, 1.15, at_least=False),
)


def measure(rounds: int) -> list[str]:
    """All pairs; gives lines of Markdown."""
    cpus = available_cpus()
    pair_of_cpus = cpus[0], cpus[-1]
    blocks: dict[tuple[Pair, str], list[Floats]] = {}
    for i in track(range(rounds), "rounds"):
        for pair in PAIRS:
            for method in pair.sides if i % 2 else reversed(pair.sides):
                found = roundtrips(method, [pair.size_bytes], SAMPLES, pair_of_cpus)
                samples = np.array(found[str(pair.size_bytes)]["samples_ns"])
                blocks.setdefault((pair, method), []).append(samples)
    lines = ["| | median, first | median, second |", "|---|---:|---:|"]
    lines += [
        f"| {pair.goal.name} | "
        + " | ".join(human_ns(median_of_medians(blocks[pair, side])) for side in pair.sides)
        + " |"
        for pair in PAIRS
    ]
    lines += ["", *HEAD]
    lines += [
        pair.goal.of_ratio(blocks[pair, pair.first], blocks[pair, pair.second]) for pair in PAIRS
    ]
    idle = [np.array([ring_between.idle_share("adaptive", IDLE_S, cpus[0])]) for _ in range(rounds)]
    lines.append(
        Goal("adaptive, idle for a second, of a processor", 0.01).of_blocks(idle, "{:.2%}".format)
    )
    return lines
