"""Cold: no request finds an instance, and one is started for it in the way that is named.

Of SeBS's experiments "perf-cost" and "eviction-model" (Copik et al., Middleware 2021), and of the
framework in Rust its cold request. Every answer must say that its instance was started for it, and
how; the moments of that start stand in the metadata, medians in ns. What is timed stands in
`_one_at_a_time`.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import GONE_S, WITH_TAIL, OneAtATime
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness.row import Row
from benchmarks.workloads.registry import WORKLOADS

STRATEGIES = ("zygote", "spawn", "criu")
IMPORTS = {"none": "", "http": "http.server json"}
CHOICE = "zygote"  # the runtime's own
KEEP_ALIVE_S = 0.2
IDLE_MS = (40, 120, 180, 220, 280, 400)  # a fifth to twice the keep-alive time


def _trial(name: str, strategy: str = CHOICE, imports: str = "none") -> OneAtATime:
    with_tail = imports != "none" and strategy == CHOICE
    return OneAtATime(
        f"{name}:{next(iter(WORKLOADS[name].variants))}",
        start_mode=strategy,
        samples=WITH_TAIL if with_tail else 8,
        quick=6,
        pause_s=GONE_S,
        orchestrator={"start": strategy, "keep_alive_s": 0},
        imports=IMPORTS[imports],
    )


class _Cold(_Experiment):
    """What does a noop's request cost that finds no instance, by each way of starting?

    With "http" the instances import Python's HTTP stack: the zygote's template has it, a spawn
    imports it. The runtime is up, and its template or image is ready. Timed in the client's
    process, from handing the request to the kernel until its whole answer is there.
    """

    param_names = ("strategy", "imports")
    tracking = (STRATEGIES, ("none",))
    study = (STRATEGIES, tuple(IMPORTS))
    quick = ((CHOICE,), ("none",))

    def row(self, strategy: str, imports: str) -> Row:
        variant = strategy if imports == "none" else f"{imports}_{strategy}"
        return row(_trial("noop", strategy, imports), "cold", variant)


class _ColdWorkload(_Experiment):
    """What does each workload's request cost that finds no instance, by the runtime's own choice?

    Timed as in `Cold`.
    """

    param_names = ("workload",)
    study = (tuple(name for name in WORKLOADS if name != "noop"),)

    def row(self, workload: str) -> Row:
        return row(_trial(workload), "cold", CHOICE)


class _KeepAlive(_Experiment):
    """What does a request cost whose predecessor was answered so long ago?

    The share of those that found no instance, by the runtime's own word, is `cold_share` in
    `rounds`. The keep-alive time is 200 ms.
    """

    param_names = ("idle_ms",)
    study = (IDLE_MS,)

    def row(self, idle_ms: int) -> Row:
        trial = OneAtATime(
            "noop:empty",
            start_mode="mixed",
            samples=3,
            pause_s=idle_ms / 1e3,
            orchestrator={"keep_alive_s": KEEP_ALIVE_S},
        )
        variant = f"idle{idle_ms}ms"
        return row(trial, "keep_alive", variant, idle_s=trial.pause_s, keep_alive_s=KEEP_ALIVE_S)
