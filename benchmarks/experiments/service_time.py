"""Queueing: bursts for a function with a fixed service time, on fewer instances than requests.

STeLLAR's bursts with a known time of the function (Ustiugov et al., IISWC 2021): 010.sleep of
10 ms, 1, 4, 16 and 64 requests at the same time, on one instance and on four, each taking one
request at a time. All instances are up before, and every answer must say so. The last request of a
burst would take burst / instances x service time if nothing else took any: `arithmetic_last_ns`.
What it did take is `last_ns` of `rounds`, the median of a round's bursts.

Timed as in the experiment "burst": in the generator's process, from the intended start of a burst
until the whole answer of each.
"""

from __future__ import annotations

import math

from benchmarks.experiments.base import Case, Trial
from benchmarks.experiments.burst import Burst

SERVICE_MS = 10
BURSTS = (1, 4, 16, 64)
INSTANCES = (1, 4)
_ROUND_S = 2.0
_FEWEST_BURSTS = 3
_QUICK_BURSTS = 2


def _trial(burst: int, instances: int) -> Burst:
    queue_s = math.ceil(burst / instances) * SERVICE_MS / 1e3
    # The kernel wakes a sleeper late, and messages take their time, too.
    period_s = 1.4 * queue_s + 0.02
    case = Case(
        experiment="service_time",
        workload="010.sleep",
        variant=f"ms{SERVICE_MS}_on{instances}_{burst}",
        arrivals="burst",
        rate=burst / period_s,
        concurrency=burst,
        more={"instances": instances, "arithmetic_last_ns": queue_s * 1e9},
    )
    bursts = max(_FEWEST_BURSTS, round(_ROUND_S / period_s))
    return Burst(case, f"ms={SERVICE_MS}", instances, period_s, bursts, _QUICK_BURSTS)


TRIALS: list[Trial] = [_trial(burst, instances) for instances in INSTANCES for burst in BURSTS]
QUICK: tuple[str, ...] = ()
