"""Warm, sequential and cold: one request at a time, the state of each instance verified.

- `warm`: each request comes after a pause in which the instance has gone to sleep.
- `sequential`: each comes when the one before has been answered.
- `cold`: each finds no instance, and one is started for it in the way that the variant names; the
  moments of that start stand in the metadata, medians in ns.

Warm and sequential are those of SeBS's experiment "perf-cost" (Copik et al., Middleware 2021), and
of the framework in Rust its warm and its cold request.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.experiments.asker import Asking, ask
from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.servers import server
from benchmarks.servers.aetherless import Aetherless, AetherlessProxied
from benchmarks.servers.base import Server
from benchmarks.workloads.registry import WORKLOADS, Workload, workload

STARTS = ("spawn", "zygote", "criu")
AWAKE_S = 0.005  # longer than an instance waits awake
GONE_S = 0.05  # in which an instance is ended, and what it has used up is there again
QUICK_COUNT = 40
QUICK_PAUSED_COUNT = 15  # where most of a sample's time is the pause before it
# A request of these takes less than a millisecond.
_SHORT = ("noop", "echo", "json-document")


class OneAtATime(Trial):
    """Requests one at a time to the runtime.

    Args:
        case: what it gives.
        size: of the workload.
        samples: of each round.
        pause_s: before each request.
        orchestrator: options of the runtime, where it is the platform.
    """

    def __init__(
        self, case: Case, size: str, samples: int, pause_s: float = 0.0, **orchestrator: Any
    ) -> None:
        self.name, self.cases, self.samples = case.name, (case,), samples
        self.quick_samples = QUICK_PAUSED_COUNT if pause_s else QUICK_COUNT
        self._size, self._pause_s, self._orchestrator = size, pause_s, orchestrator

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        [case] = self.cases
        return (
            workload(case.workload).missing()
            or server(case.platform).missing()
            or _lacks_start(case)
        )

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`."""
        [case] = self.cases
        return {
            case.name: one_at_a_time(
                case, self._size, samples, seed, self._pause_s, **self._orchestrator
            )
        }


def one_at_a_time(
    case: Case, size: str, samples: int, seed: int, pause_s: float = 0.0, **orchestrator: Any
) -> Outcome:
    """Asks the case's platform for its workload, one request at a time.

    Args:
        case: its start mode is that of each request that counts; "mixed" takes all.
        size: of the workload.
        samples: how many.
        seed: of the request.
        pause_s: before each request.
        orchestrator: options of the runtime, where it is the platform.

    Returns:
        With the moments of the starts in `more`, and where the mode is "mixed" with the share of
        requests that were cold.

    Raises:
        RuntimeError, OSError: as `Trial.run`.
    """
    asked = workload(case.workload)
    with _server(case, asked, orchestrator) as one:
        found = ask(
            Asking(
                port=one.port, path=one.path, name=asked.name, size=size, count=samples,
                seed=seed, state=_state(case), pause_s=pause_s,
            )
        )  # fmt: skip
    more: dict[str, Any] = {}
    if case.start_mode != "warm":
        more["phases"] = phases(found["timings"])
    if case.start_mode == "mixed":
        more["cold_share"] = 1 - found["starts"].get("warm", 0) / samples
    return Outcome(
        found["latency_ns"],
        starts=found["starts"],
        payload_size_bytes=found["payload_size_bytes"],
        recollected=found["recollected"],
        more=more,
    )


def _lacks_start(case: Case) -> str | None:
    if case.start_mode not in STARTS:
        return None
    from aetherless_py.start import strategy  # of any commit

    return strategy(case.start_mode).missing()


def _server(case: Case, asked: Workload, orchestrator: dict[str, Any]) -> Server:
    kind = server(case.platform)
    if not issubclass(kind, Aetherless):
        return kind(asked.module)
    if case.start_mode not in ("warm", "mixed"):
        orchestrator = {"keep_alive_s": 0, **orchestrator}
    options: dict[str, Any] = {"memory_limit_mb": asked.memory_mb}
    if kind is not AetherlessProxied:  # an executable imports by itself
        options["imports"] = list(asked.imports)
    return kind(asked.module, orchestrator=orchestrator, **options)


def _state(case: Case) -> str | None:
    """What the answers must say of it; servers beside the runtime say nothing."""
    says = issubclass(server(case.platform), Aetherless) and case.start_mode != "mixed"
    return case.start_mode if says else None


def phases(timings: list[dict[str, float]]) -> dict[str, float]:
    """The median of each moment of the starts, in ns since the instance was asked for."""
    names = sorted({name for each in timings for name in each if name.startswith("start-")})
    return {
        f"{name.removeprefix('start-')}_ns": float(
            np.median([each[name] for each in timings if name in each])
        )
        for name in names
    }


def _trials() -> list[Trial]:
    found: list[Trial] = []
    for name, asked in WORKLOADS.items():
        # The largest are seconds of computing, which no way of serving changes.
        for size in list(asked.variants)[:2]:
            variant = size.replace("=", "")
            count = 200 if name in _SHORT else 30
            found += [
                OneAtATime(
                    Case(experiment=experiment, workload=name, variant=variant),
                    size,
                    count,
                    pause_s,
                )
                for experiment, pause_s in (("warm", AWAKE_S), ("sequential", 0.0))
            ]
        smallest = next(iter(asked.variants))
        for start in STARTS if name == "noop" else ("zygote",):
            case = Case(experiment="cold", workload=name, variant=start, start_mode=start)
            found.append(OneAtATime(case, smallest, 20, GONE_S, start=start))
    return found


TRIALS = _trials()
QUICK = ("warm_noop_empty", "cold_noop_zygote")
