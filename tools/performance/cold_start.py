"""Cold starts beside their goals: the samples are those of the suite cold_start.

The cases that a goal names, and spawn with the same imports, in one sitting; each in a fresh
process in each round, in random order.
"""

from __future__ import annotations

import numpy as np
from rich.progress import Progress

from benchmarks.cold_start import Case, sitting
from benchmarks.harness.processes import Task, run_fresh
from benchmarks.harness.sitting import blocks_of, sets_of
from benchmarks.harness.statistics import Floats, nearest_rank
from tools.performance.goal import FEWEST_ROUNDS, HEAD, Goal
from tools.table import human_ns

SAMPLES = 40  # of each case and round
SPAWN_HTTP, SPAWN_NUMPY = Case("spawn", "http"), Case("spawn", "numpy")
ZYGOTE_HTTP, ZYGOTE_NUMPY = Case("zygote", "http"), Case("zygote", "numpy")
BURST = Case("zygote", "http", burst=16)
CRIU, POOL = Case("criu", "http"), Case("warm_pool", "http")
CASES = (SPAWN_HTTP, SPAWN_NUMPY, ZYGOTE_HTTP, ZYGOTE_NUMPY, BURST, CRIU, POOL)
ABSOLUTE = (
    (ZYGOTE_HTTP, "ready", Goal("zygote to READY, http stack", 0.5e6)),
    (ZYGOTE_NUMPY, "ready", Goal("zygote to READY, numpy", 0.6e6)),
    (POOL, "ready", Goal("warm pool, hand-over to READY", 0.1e6)),
    (CRIU, "ready", Goal("CRIU to READY, http stack", 12e6)),
    (BURST, "last_ready", Goal("burst of 16 by zygote, last READY", 12e6)),
)
TO_SPAWN = (
    (SPAWN_HTTP, ZYGOTE_HTTP, Goal("spawn to zygote, READY, http stack", 60, at_least=True)),
    (SPAWN_NUMPY, ZYGOTE_NUMPY, Goal("spawn to zygote, READY, numpy", 120, at_least=True)),
    (SPAWN_HTTP, CRIU, Goal("spawn to CRIU, READY, http stack", 4, at_least=True)),
)
CRIU_P99 = Goal("CRIU to READY, http stack, p99 of 1,000 starts", 20e6)
CRIU_STARTS = 1000
TIMEOUT_S = 600.0


def measure(rounds: int) -> list[str]:
    """All goals; gives lines of Markdown.

    Raises:
        NotImplementedError, RuntimeError: a case cannot be had here, or failed.
    """
    with Progress(transient=True) as progress:
        task = progress.add_task("measuring", total=rounds * len(CASES))
        cache = sitting(
            CASES, rounds, SAMPLES,
            lambda name: progress.update(task, advance=1, description=name),
        )  # fmt: skip

    def blocks(case: Case, until: str) -> list[Floats]:
        return blocks_of(sets_of(cache["measured"], case.name, until))

    lines = list(HEAD)
    lines += [goal.of_blocks(blocks(case, until), human_ns) for case, until, goal in ABSOLUTE]
    lines += [
        goal.of_ratio(blocks(spawn, "ready"), blocks(case, "ready"))
        for spawn, case, goal in TO_SPAWN
    ]
    lines.append(CRIU_P99.of_blocks([_criu_p99() for _ in range(FEWEST_ROUNDS)], human_ns))
    return lines


def _criu_p99() -> Floats:
    """The p99 of so many restores by one fresh process."""
    arguments = {
        "name": CRIU.strategy, "imports": CRIU.imports, "burst": 1, "ballast_mb": 0,
        "page_cache": "hot", "count": CRIU_STARTS,
    }  # fmt: skip
    task = Task("benchmarks.starts.sampling:starts", arguments, None)
    samples = run_fresh(task, TIMEOUT_S)["sets"]["ready"]["samples_ns"]
    return np.array([nearest_rank(np.sort(samples), 99)])
