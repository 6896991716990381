"""Bursts of 1, 4 and 16 requests, on warm and on cold pools of instances of concurrency 1.

STeLLAR's bursts (Ustiugov et al., IISWC 2021), and SeBS's experiment "burst" (Copik et al.,
Middleware 2021): so many requests arrive at the same time, again and again.

- `warm`: as many instances as a burst has requests are up before, each of which has answered, and
  every answer must say "warm". A burst that begins before the one before is over waits for it, and
  counts.
- `cold`: no instance is up before a burst: none is kept, and the pause between two bursts is longer
  than they take to end. No instance may answer in two bursts, and with 010.sleep, whose 300 ms are
  longer than the start of all instances, every answer must come from an instance of its own. With
  noop an instance that has answered takes another request before others have started: `starts`
  tells how many did. So it is with the other workloads, whose start modes are "mixed", too. A burst
  that begins before the one before is over finds instances up: `overlapping` tells how many there
  were, and a warning that the tail lacks what delayed them.

A burst that found another state is repeated whole. `rounds` tell the median of the bursts' last
answers, and how many instances took part.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments import _loads
from benchmarks.experiments._asker import ask_together
from benchmarks.experiments._checks import state_of
from benchmarks.experiments.base import _Experiment, _Requests, asked, row, samples_of, short
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.load import arrivals, outcomes
from benchmarks.load.result import LAG_BOUND_NS, LoadResult
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import WORKLOADS, Workload, workload

START = "zygote"  # the runtime's own choice
_OVERLAPPING = "the burst before it was not over"
_MOST_RECOLLECTED = 4  # times as many as are wanted: then something else is wrong
_MOST_TRIES = 20
_WARM_UP = 1  # bursts of each run
# Of a request: the generator writes those of a burst one after the other, and a lag holds the
# writing of those before it.
_WRITING_NS = 50_000


@dataclass(frozen=True, kw_only=True)
class Bursts(_Requests):
    """Bursts to the runtime, each with its instances in the state that the start mode names.

    Attributes:
        workload, size: what is asked for.
        start_mode: "warm"; the way of starting, where each request of a burst must start an
            instance; "mixed", where no instance is up before a burst.
        burst: requests of each.
        instances: where they are warm, so many are up before, and there are no others.
        period_s: from burst to burst.
        bursts, quick: of each round, as a rule and where it must be quick.
    """

    workload: str
    size: str
    start_mode: str
    burst: int
    instances: int
    period_s: float
    bursts: int
    quick: int | None = None
    platform = Aetherless.name
    label = "bursts of {burst} {workload}:{size} on {instances} instances, {start_mode}"

    @property
    def turn_s(self) -> float:  # type: ignore[override]
        """As `Trial.turn_s`."""
        return 0.5 + (_WARM_UP + self.bursts) * self.period_s

    @property
    def lag_bound_ns(self) -> int:
        """As `Load.lag_bound_ns`."""
        return LAG_BOUND_NS + self.burst * _WRITING_NS

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`; gives whole bursts, as many as hold so many samples."""
        asked = workload(self.workload)
        quick = self.quick and self.quick * self.burst
        samples = turn.count(self.bursts * self.burst, quick)
        kept = _Kept(self.start_mode, self.burst, math.ceil(samples / self.burst))
        options: dict[str, Any] = {"start": START, "max_instances": self.instances}
        if self.start_mode != "warm":
            # Room beside those that are about to end.
            options = {"start": START, "max_instances": 4 * self.instances, "keep_alive_s": 0}
        with Aetherless(
            asked.module,
            orchestrator=options,
            memory_limit_mb=asked.memory_mb,
            imports=list(asked.imports),
        ) as one:
            if self.start_mode == "warm":
                _bring_up(one, asked, self.size, self.instances)
            while kept.missing:
                schedule = arrivals.burst(
                    self.burst, self.period_s, (_WARM_UP + kept.missing) * self.period_s
                )
                kept.take(
                    _loads.sent(
                        one, asked.name, self.size, schedule, turn.seed,
                        connections_before=self.burst,
                        lag_bound_ns=self.lag_bound_ns,
                    )
                )  # fmt: skip
        return {"": kept.samples(_loads.payload_size_bytes(asked.name, self.size, turn.seed))}


def _bring_up(one: Aetherless, asked: Workload, size: str, count: int) -> None:
    """Has so many instances up, each of which has answered before.

    Raises:
        RuntimeError: they do not come.
    """
    answered: set[str] = set()
    for _ in range(_MOST_TRIES):
        # One that is done early may answer twice, in the place of one that is up only then.
        answered |= ask_together(one, asked.name, size, count)
        if len(answered) == count:
            return
        while one.instances("starting"):
            time.sleep(0.005)
    raise RuntimeError(f"of {count} instances {len(answered)} have answered")


class _Kept:
    """The bursts that found the state which is asked for.

    Args:
        start_mode, burst: as `Bursts`.
        wanted: how many bursts.
    """

    def __init__(self, start_mode: str, burst: int, wanted: int) -> None:
        self._start_mode, self._burst, self._wanted = start_mode, burst, wanted
        self._latencies_ns: list[NDArray[np.float64]] = []  # a burst each
        self._instances: list[int] = []  # that took part in each
        self._failures: Counter[str] = Counter()
        self._failed_besides = 0  # in bursts that do not count
        self._starts: Counter[str] = Counter()
        self._seen: set[str] = set()  # instances, since the server is up
        self._dropped = self._overlapping = 0
        self._warnings: list[str] = []
        self._invalid: str | None = None
        self._told: dict[str, Any] = {}

    @property
    def missing(self) -> int:
        """Bursts that are still wanted."""
        return self._wanted - len(self._latencies_ns)

    def take(self, result: LoadResult) -> None:
        """Looks at each burst of a run.

        Raises:
            RuntimeError: too many have found another state.
        """
        latencies_ns = _loads.latencies_ns(result)
        why = ""
        for number, at in enumerate(self._each(result)):
            fault = self._fault(result, at)
            failures = _loads.failures(result, at)
            if number < _WARM_UP:
                self._failed_besides += failures.total()
                continue
            self._starts += _loads.starts(result, at)
            if fault:
                self._dropped, why = self._dropped + 1, fault
                self._overlapping += fault == _OVERLAPPING
                self._failed_besides += failures.total()
                continue
            self._latencies_ns.append(latencies_ns[at])
            self._instances.append(len(set(self._labels(result, at))))
            self._failures += failures
        if self._dropped > _MOST_RECOLLECTED * self._wanted:
            raise RuntimeError(
                f"{self._dropped} bursts did not find {self._start_mode}, the last one since "
                f"{why}: {dict(self._starts)}"
            )
        self._warnings += _loads.warnings(result)
        self._invalid = self._invalid or result.invalid
        self._told = self._told or _loads.told(result)  # the others repeat a few

    def _each(self, result: LoadResult) -> Iterator[NDArray[np.bool_]]:
        number = np.arange(result.requests) // self._burst
        for burst in range(int(number[-1]) + 1):
            yield number == burst

    def _labels(self, result: LoadResult, at: NDArray[np.bool_]) -> list[str]:
        right = at & (result.outcome == outcomes.OK)
        return [result.labels[label] for label in result.label_at[right]]

    def _fault(self, result: LoadResult, at: NDArray[np.bool_]) -> str:
        """In which other state its instances were."""
        mode = self._start_mode
        labels = self._labels(result, at)
        began_ns = result.intended_ns[at][0]
        before = result.intended_ns < began_ns
        # Of one that failed, too: it is over when it has failed.
        ends_ns = result.intended_ns + result.lag_ns + result.connect_ns + result.service_ns
        instances = {label.partition(" ")[2] for label in labels}
        again = self._seen & instances
        self._seen |= instances
        if mode != "warm" and before.any() and ends_ns[before].max() >= began_ns:
            return _OVERLAPPING
        if mode != "warm" and again:
            return f"{min(again)} had answered before it"
        found = Counter(state_of(label) for label in labels)
        if mode != "mixed" and set(found) - {mode}:
            return f"its instances were {dict(found)}"
        return ""

    def samples(self, payload_size_bytes: int) -> Samples:
        """Of all that were kept."""
        warnings = [*self._warnings, *_loads.warnings_of_failures(self._failures.total())]
        if self._failed_besides:
            warnings.append(f"{self._failed_besides} requests failed in bursts that do not count")
        if self._overlapping:
            warnings.append(
                f"{self._overlapping} bursts that began before the one before was over were"
                " repeated: the tail lacks what delayed them"
            )
        return samples_of(
            np.concatenate(self._latencies_ns).tolist(),
            failures=self._failures,
            starts=self._starts,
            payload_size_bytes=payload_size_bytes,
            recollected=self._dropped * self._burst,
            warnings=warnings,
            invalid=self._invalid,
            overlapping=self._overlapping,
            last_ns=float(np.median([each.max() for each in self._latencies_ns])),
            instances=float(np.mean(self._instances)),
            **self._told,
        )


# From burst to burst in s, and bursts a round, by workload, state and size of a burst.
_PLANS = {
    ("noop:empty", "warm", 1): (0.008, 60),
    ("noop:empty", "warm", 4): (0.014, 32),
    ("noop:empty", "warm", 16): (0.04, 8),
    ("noop:empty", "cold", 1): (0.07, 8),
    ("noop:empty", "cold", 4): (0.1, 6),
    ("noop:empty", "cold", 16): (0.25, 4),
    ("010.sleep:ms=300", "warm", 1): (0.32, 1),
    ("010.sleep:ms=300", "warm", 4): (0.33, 1),
    ("010.sleep:ms=300", "warm", 16): (0.36, 1),
    ("010.sleep:ms=300", "cold", 1): (0.4, 1),
    ("010.sleep:ms=300", "cold", 4): (0.45, 1),
    ("010.sleep:ms=300", "cold", 16): (0.8, 1),
}
_PLAN_OF_OTHERS = {"warm": (0.1, 2), "cold": (0.2, 2)}
_OTHERS = tuple(  # chain and transfer have experiments of their own
    f"{name}:{next(iter(each.variants))}"
    for name, each in WORKLOADS.items()
    if name not in ("noop", "010.sleep", "chain", "transfer")
)
STATES = ("warm", "cold")


def _row(asked_for: str, state: str, size: int) -> Row:
    name, variant = asked(asked_for)
    period_s, bursts = _PLANS.get((asked_for, state, size), _PLAN_OF_OTHERS[state])
    of_own = START if name == "010.sleep" else "mixed"
    trial = Bursts(
        workload=name,
        size=variant,
        start_mode="warm" if state == "warm" else of_own,
        burst=size,
        instances=size,
        period_s=period_s,
        bursts=bursts,
        quick=4,
    )
    return row_of_bursts(trial, "burst", f"{short(variant)}_{state}_{size}", pool=state)


def row_of_bursts(trial: Bursts, experiment: str, variant: str, **more: Any) -> Row:
    """As `base.row`, of a trial of bursts."""
    return row(
        trial,
        "",
        experiment,
        trial.workload,
        variant,
        start_mode=trial.start_mode,
        arrivals="burst",
        rate=trial.burst / trial.period_s,
        concurrency=trial.burst,
        **more,
    )


class _Burst(_Experiment):
    """How long do requests take that arrive at the same time, as many as there are instances?

    Timed, in the generator's process: from the intended start of a burst, which is that of each of
    its requests, until the whole answer of each. Connections are there before; the answer's
    comparison is made after the clock has stopped. The first burst of each run does not count: in
    it the generator's code runs for the first time.
    """

    param_names = ("size", "state", "workload")
    tracking = ((16,), STATES, ("noop:empty",))
    study = ((1, 4, 16), STATES, ("noop:empty", "010.sleep:ms=300"))
    quick = ((16,), ("warm",), ("noop:empty",))

    def row(self, size: int, state: str, workload: str) -> Row:
        """As `_Suite.row`."""
        return _row(workload, state, size)


class _BurstWorkload(_Experiment):
    """The same of every other workload, in bursts of 4."""

    param_names = ("workload", "state")
    study = (_OTHERS, STATES)

    def row(self, workload: str, state: str) -> Row:
        """As `_Suite.row`."""
        return _row(workload, state, 4)
