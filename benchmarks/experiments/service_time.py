"""Queueing: bursts for a function with a fixed service time, on fewer instances than requests.

STeLLAR's bursts with a known time of the function (Ustiugov et al., IISWC 2021): 010.sleep of
10 ms, 1, 4, 16 and 64 requests at the same time, on one instance and on four, each taking one
request at a time. All instances are up before, and every answer must say so. The last request of a
burst would take burst / instances x service time if nothing else took any: `arithmetic_last_ns`.
What it did take is `last_ns` of `rounds`, the median of a round's bursts.
"""

from __future__ import annotations

import math

from benchmarks.experiments.base import _Experiment, row
from benchmarks.experiments.burst import Bursts
from benchmarks.harness.row import Row

SERVICE_MS = 10
_ROUND_S = 0.3


class _ServiceTime(_Experiment):
    """How long do requests of 10 ms wait that arrive at the same time on so many instances?

    Timed as in `Burst`: in the generator's process, from the intended start of a burst until the
    whole answer of each.
    """

    param_names = ("instances", "burst")
    tracking = ((4,), (16,))
    study = ((1, 4), (1, 4, 16, 64))

    def row(self, instances: int, burst: int) -> Row:
        queue_s = math.ceil(burst / instances) * SERVICE_MS / 1e3
        # The kernel wakes a sleeper late, and messages take their time, too.
        period_s = 1.4 * queue_s + 0.02
        trial = Bursts(
            f"010.sleep:ms={SERVICE_MS}",
            concurrency=burst,
            instances=instances,
            period_s=period_s,
            bursts=max(1, round(_ROUND_S / period_s)),
        )
        return row(
            trial,
            "service_time",
            f"{trial.size}_on{instances}_{burst}",
            instances=instances,
            arithmetic_last_ns=queue_s * 1e9,
        )
