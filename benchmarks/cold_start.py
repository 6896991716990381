"""Cold starts: from asking for an instance of a function to its READY and to its first answer.

Every sample is a fresh instance, proven cold by the kernel's word on its process. The clock starts
when an instance (or a burst of them) is asked for; it stops when READY is heard, and when the first
answer, which is checked, is heard: all in the process that asks, on any processor. Preparing (an
image, a template, a pool), stopping, and making up for what starts have used up are outside.

A dropped page cache is one from which the kernel took what nobody maps: what the measuring process
shares with an instance stays, and so do images, which lie in memory. No ratios are given there.

All cases are measured in one sitting: in each round every case runs once, in a fresh process, in an
order drawn from a recorded seed. The design: every strategy with every weight of imports; then, for
the runtime's own strategies with the http stack, all combinations of burst, ballast and page cache,
in fewer rounds; bursts with the other imports, too, and bursts and a dropped page cache for the
others. `warm_pool` hands over what zygote has made ahead.

`setup_cache` takes all samples; the `track_*` methods hand them over.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks.harness.measurement import (
    MachineState,
    Tracked,
    hand_over,
    is_quick,
    iterations,
    tracked,
)
from benchmarks.harness.processes import Task, run_fresh
from benchmarks.harness.sitting import ROUNDS, Measured, ratio, sets_of, sit

OWN = ("spawn", "zygote", "criu", "warm_pool")
OTHERS = (
    "node_spawn", "container", "lambda_runtime", "lambda_runtime_container",
    "functions_framework", "http_handler",
)  # fmt: skip
# Fixed sleeps: kept because the seed has it, held against nothing.
SIMULATED = "lambda_simulated"
IMPORTS = ("bare", "http", "numpy", "web")
BURSTS = (1, 4, 16)
BALLASTS_MB = (0, 64, 256)
PAGE_CACHES = ("hot", "dropped")

SAMPLES = 20  # of each round, whole bursts of them
QUICK_SAMPLES = 4
VARIATION_ROUNDS = 3  # ratios without intervals
QUICK_ROUNDS = 3
TIMEOUT_S = 600.0
SEED = 20261125


@dataclass(frozen=True, slots=True)
class Case:
    """What is started, and under which circumstances."""

    strategy: str
    imports: str
    burst: int = 1
    ballast_mb: int = 0
    page_cache: str = "hot"

    @property
    def name(self) -> str:
        """The usual circumstances go without saying."""
        parts = [self.strategy, self.imports]
        if self.burst != 1:
            parts.append(f"burst{self.burst}")
        if self.ballast_mb:
            parts.append(f"ballast{self.ballast_mb}")
        if self.page_cache != "hot":
            parts.append(self.page_cache)
        return "_".join(parts)


def _main_cases() -> list[Case]:
    return [
        Case(name, imports)
        for name, imports in itertools.product((*OWN, *OTHERS, SIMULATED), IMPORTS)
    ]


def _variations() -> list[Case]:
    own = itertools.product(OWN, ["http"], BURSTS, BALLASTS_MB, PAGE_CACHES)
    heavier = itertools.product(OWN, IMPORTS, BURSTS)
    others = [
        *itertools.product(OTHERS, ["http"], BURSTS),
        *itertools.product(OTHERS, ["http"], [1], [0], PAGE_CACHES),
    ]
    cases = dict.fromkeys(Case(*values) for values in (*own, *heavier, *others))  # type: ignore[arg-type]
    return [case for case in cases if case not in set(_main_cases())]


# The part that stands for the whole where it must be quick.
QUICK = (
    *(Case(name, "http") for name in (*OWN, *OTHERS)),
    Case("zygote", "http", burst=16),
)
CASES = {case.name: case for case in (*_main_cases(), *_variations())}
BURST_CASES = tuple(name for name, case in CASES.items() if case.burst > 1)
IMAGE_CASES = tuple(
    name for name, case in CASES.items() if case.strategy == "criu" and case.burst == 1
)
PHASES = ("created", "interpreter", "imported")


def _measure(case: Case, samples: int, facts: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    count = case.burst * max(1, samples // case.burst)
    arguments = {**asdict(case), "name": case.strategy, "count": count}
    del arguments["strategy"]
    # Not pinned: who asks and what is started share the machine as they would.
    task = Task("benchmarks.starts.sampling:starts", arguments, None)
    found = run_fresh(task, TIMEOUT_S)
    facts.setdefault(case.name, []).append(found["facts"])
    return dict(found["sets"])


def _package_lacks() -> str | None:
    """Why the package under test cannot be measured here: it is that of any commit."""
    try:
        from aetherless_py.start.base import Strategy
    except ImportError:
        return "this commit has no start strategies"
    if not hasattr(Strategy, "settle"):
        return "the start strategies of this commit cannot be waited for between two starts"
    return None


def sitting(
    cases: Sequence[Case],
    rounds: int,
    samples: int,
    before_each: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Measures cases in one sitting.

    Args:
        cases: what to measure.
        rounds: how often, each time in fresh processes.
        samples: of each case in each round, in whole bursts, one at least.
        before_each: called with a case's name before it is measured.

    Returns:
        `measured`, as `sit` gives it; `facts` of each process by case.
    """
    lacks = _package_lacks()
    possible: dict[str, list[str] | str] = {case.name: lacks or ["starts"] for case in cases}
    facts: dict[str, list[dict[str, Any]]] = {}

    def measure(name: str, _: list[Any]) -> dict[str, Any]:
        before_each(name)
        return _measure(CASES[name], samples, facts)

    return {"measured": sit(possible, measure, rounds, SEED), "facts": facts}


def metadata_of(cache: dict[str, Any], case: str, until: str) -> dict[str, Any]:
    """What belongs to a result: its circumstances, phases, facts, and its ratio to a fresh spawn.

    Args:
        cache: what `sitting` gave.
        case: its name.
        until: the moment that the result is about.
    """
    measured: Measured = cache["measured"]
    parts = measured[case]["parts"]
    metadata: dict[str, Any] = {
        **asdict(CASES[case]),
        "until": until,
        # Medians, in ns since the instance was asked for.
        "phases": {
            f"{phase}_ns": float(np.median(np.concatenate([s["samples_ns"] for s in parts[phase]])))
            for phase in (*PHASES, "ready", "first_response")
            if phase in parts
        },
        "order_seed": SEED,
    }
    for key in ("prepare_ns", "dump_ns", "snapshot_bytes"):
        values = [each[key] for each in cache["facts"][case] if key in each]
        if values:
            metadata[key] = float(np.median(values))
    for key in ("runtime", "source"):
        if key in cache["facts"][case][0]:
            metadata[key] = cache["facts"][case][0][key]
    if CASES[case].strategy == SIMULATED:
        return {**metadata, "simulated": True}
    if CASES[case].page_cache != "hot":
        return metadata  # an image in memory cannot be dropped: no two of these are alike
    spawn = replace(CASES[case], strategy="spawn")
    return {**metadata, **ratio(measured, case, spawn.name, until, "ratio_to_spawn")}


def setup_cache() -> dict[str, Any]:
    """Takes all samples, once for all benchmarks below."""
    state = MachineState()
    quick = is_quick()
    samples = iterations(QUICK_SAMPLES if quick else SAMPLES)
    began = time.time()
    if quick:
        cache = sitting(QUICK, QUICK_ROUNDS, samples)
    else:
        cache = sitting(_main_cases(), ROUNDS, samples)
        for key, more in sitting(_variations(), VARIATION_ROUNDS, samples).items():
            cache[key] |= more
    return {**cache, "state": {**state.as_dict(), "sitting_s": time.time() - began}}


setup_cache.timeout = 7200  # type: ignore[attr-defined]


class _StartsLike:
    """Hands over what `setup_cache` measured."""

    timeout = 120

    def _sets(self, cache: dict[str, Any], case: str, until: str) -> list[dict[str, Any]]:
        if case not in cache["measured"]:
            raise NotImplementedError(f"{case} is not part of the quick pass")
        return sets_of(cache["measured"], case, until)

    def _track(
        self, name: str, cache: dict[str, Any], case: str, until: str, parameters: list[Any]
    ) -> Tracked:
        return hand_over(
            f"cold_start.{type(self).__name__}.{name}", parameters,
            self._sets(cache, case, until), cache["state"],
            {"metadata": metadata_of(cache, case, until)},
        )  # fmt: skip


class Ready(_StartsLike):
    """Until READY is heard."""

    params = tuple(CASES)
    param_names = ("case",)

    def setup(self, cache: dict[str, Any], case: str) -> None:
        self._sets(cache, case, "ready")

    @tracked("cold_start")
    def track_ready(self, cache: dict[str, Any], case: str) -> Tracked:
        return self._track("track_ready", cache, case, "ready", [case])


class FirstResponse(_StartsLike):
    """Until the first answer is heard."""

    params = tuple(CASES)
    param_names = ("case",)

    def setup(self, cache: dict[str, Any], case: str) -> None:
        self._sets(cache, case, "first_response")

    @tracked("cold_start_first_response")
    def track_first_response(self, cache: dict[str, Any], case: str) -> Tracked:
        return self._track("track_first_response", cache, case, "first_response", [case])


class LastReady(_StartsLike):
    """Until the last instance of a burst is ready, one sample a burst."""

    params = BURST_CASES
    param_names = ("case",)

    def setup(self, cache: dict[str, Any], case: str) -> None:
        self._sets(cache, case, "last_ready")

    @tracked("cold_start_last_ready")
    def track_last_ready(self, cache: dict[str, Any], case: str) -> Tracked:
        return self._track("track_last_ready", cache, case, "last_ready", [case])


class Phase(_StartsLike):
    """Until a moment on the way: the process exists, Python runs in it, its imports are done."""

    params = (PHASES, [case.name for case in _main_cases()])
    param_names = ("phase", "case")

    def setup(self, cache: dict[str, Any], phase: str, case: str) -> None:
        self._sets(cache, case, phase)

    @tracked("cold_start_phase")
    def track_phase(self, cache: dict[str, Any], phase: str, case: str) -> Tracked:
        return self._track("track_phase", cache, case, phase, [phase, case])


class Dump(_StartsLike):
    """Taking the image that is restored: from the order to CRIU to its answer."""

    params = IMAGE_CASES
    param_names = ("case",)

    def setup(self, cache: dict[str, Any], case: str) -> None:
        self._sets(cache, case, "dump")

    @tracked("cold_start_dump")
    def track_dump(self, cache: dict[str, Any], case: str) -> Tracked:
        return self._track("track_dump", cache, case, "dump", [case])
