"""How long an instance stays: cold starts against the time between two requests.

SeBS's experiment "eviction-model" (Copik et al., Middleware 2021), on a runtime whose keep-alive
time is set. Each request comes when the answer before it is so long ago as the variant says; the
share of those that found no instance, by the runtime's own word, is `cold_share` in `rounds`.

Timed, in the asker's process: from when a request is handed to the kernel until its whole answer is
there, over a kept connection. The pause is outside, as is checking.
"""

from __future__ import annotations

from benchmarks.experiments.base import Case, Trial
from benchmarks.experiments.states import OneAtATime

KEEP_ALIVE_S = 0.2
IDLE_S = (0.04, 0.12, 0.18, 0.22, 0.28, 0.4)  # fifths to twice the keep-alive time
SAMPLES = 8


def _trial(idle_s: float) -> OneAtATime:
    case = Case(
        experiment="keep_alive",
        workload="noop",
        variant=f"idle{round(idle_s * 1e3)}ms",
        start_mode="mixed",
        more={"idle_s": idle_s, "keep_alive_s": KEEP_ALIVE_S},
    )
    return OneAtATime(case, "empty", SAMPLES, idle_s, keep_alive_s=KEEP_ALIVE_S)


TRIALS: list[Trial] = [_trial(idle_s) for idle_s in IDLE_S]
QUICK: tuple[str, ...] = ()
