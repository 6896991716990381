"""Warm and sequential: one request at a time, the state of each instance verified.

Of SeBS's experiment "perf-cost" (Copik et al., Middleware 2021), and of the framework in Rust its
warm request. What is timed stands in `_one_at_a_time`.
"""

from __future__ import annotations

from benchmarks.experiments._one_at_a_time import OneAtATime, back_to_back
from benchmarks.experiments.base import _Experiment, asked, row, short
from benchmarks.harness.row import Row
from benchmarks.workloads.registry import WORKLOADS

AWAKE_S = 0.005  # longer than an instance waits awake
NOOP = "noop:empty"
# The largest variants are seconds of computing, which no way of serving changes.
VARIANTS = tuple(
    f"{name}:{size}" for name, of in WORKLOADS.items() for size in list(of.variants)[:2]
)


class _Warm(_Experiment):
    """What does a request cost that finds its instance warm, but asleep?

    Each request comes after a pause in which the instance has gone to sleep. Timed in the client's
    process, from handing the request to the kernel until its whole answer is there.
    """

    param_names = ("workload",)
    tracking = quick = ((NOOP,),)
    study = (VARIANTS,)

    def row(self, workload: str) -> Row:
        """As `_Suite.row`."""
        name, size = asked(workload)
        samples = back_to_back(name, size).samples
        trial = OneAtATime(
            workload=name, size=size, samples=min(samples, 50), quick=20, pause_s=AWAKE_S
        )
        return row(trial, "", "warm", name, short(size))


class _Sequential(_Experiment):
    """What does a warm request cost that comes when the one before has been answered?

    Timed in the client's process, from handing the request to the kernel until its whole answer is
    there.
    """

    param_names = ("workload",)
    tracking = quick = ((NOOP,),)
    study = (VARIANTS,)

    def row(self, workload: str) -> Row:
        """As `_Suite.row`."""
        name, size = asked(workload)
        return row(back_to_back(name, size), "", "sequential", name, short(size))
