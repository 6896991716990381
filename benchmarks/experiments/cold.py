"""Cold: no request finds an instance, and one is started for it in the way that is named.

Of SeBS's experiment "perf-cost" (Copik et al., Middleware 2021), and of the framework in Rust its
cold request. Every answer must say that its instance was started for it, and how; the moments of
that start stand in the metadata, medians in ns. What is timed stands in `_one_at_a_time`.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import GONE_S, WITH_TAIL, OneAtATime
from benchmarks.experiments.base import _Experiment, row
from benchmarks.harness.row import Row
from benchmarks.workloads.registry import WORKLOADS

STRATEGIES = ("zygote", "spawn", "criu")
IMPORTS = {"none": "", "http": "http.server json"}
CHOICE = "zygote"  # the runtime's own
SAMPLES = 8


def _trial(name: str, strategy: str, imports: str = "none") -> OneAtATime:
    with_tail = imports != "none" and strategy == CHOICE
    return OneAtATime(
        workload=name,
        size=next(iter(WORKLOADS[name].variants)),
        samples=WITH_TAIL if with_tail else SAMPLES,
        quick=6,
        start_mode=strategy,
        pause_s=GONE_S,
        orchestrator={"start": strategy},
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
        """As `_Suite.row`."""
        variant = strategy if imports == "none" else f"{imports}_{strategy}"
        trial = _trial("noop", strategy, imports)
        return row(trial, "", "cold", "noop", variant, start_mode=strategy)


class _ColdWorkload(_Experiment):
    """What does each workload's request cost that finds no instance, by the runtime's own choice?

    Timed as in `Cold`.
    """

    param_names = ("workload",)
    study = (tuple(name for name in WORKLOADS if name != "noop"),)

    def row(self, workload: str) -> Row:
        """As `_Suite.row`."""
        return row(_trial(workload, CHOICE), "", "cold", workload, CHOICE, start_mode=CHOICE)
