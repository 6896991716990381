"""How long an instance stays: cold starts against the time between two requests.

SeBS's experiment "eviction-model" (Copik et al., Middleware 2021), on a runtime whose keep-alive
time is set. What is timed stands in `_one_at_a_time`; the pause is outside.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import OneAtATime
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness.row import Row

KEEP_ALIVE_S = 0.2
IDLE_MS = (40, 120, 180, 220, 280, 400)  # a fifth to twice the keep-alive time
SAMPLES = 3


class _KeepAlive(_Experiment):
    """What does a request cost whose predecessor was answered so long ago?

    The share of those that found no instance, by the runtime's own word, is `cold_share` in
    `rounds`. The keep-alive time is 200 ms.
    """

    param_names = ("idle_ms",)
    study = (IDLE_MS,)

    def row(self, idle_ms: int) -> Row:
        """As `_Suite.row`."""
        trial = OneAtATime(
            workload="noop",
            size="empty",
            samples=SAMPLES,
            start_mode="mixed",
            pause_s=idle_ms / 1e3,
            orchestrator={"keep_alive_s": KEEP_ALIVE_S},
        )
        return row(
            trial,
            "",
            "keep_alive",
            "noop",
            f"idle{idle_ms}ms",
            start_mode="mixed",
            idle_s=idle_ms / 1e3,
            keep_alive_s=KEEP_ALIVE_S,
        )
