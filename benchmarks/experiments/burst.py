"""Bursts of 1, 4 and 16 requests, on warm and on cold pools of instances of concurrency 1.

STeLLAR's bursts (Ustiugov et al., IISWC 2021), and SeBS's experiment "burst" (Copik et al.,
Middleware 2021): so many requests arrive at the same time, again and again.

- `warm`: the instances that the runtime has answer so many requests are up before, and every answer
  must say "warm". A burst that begins before the one before is over waits for it, and counts.
- `cold`: no instance is up before a burst: none is kept, and the pause between two bursts is longer
  than they take to end. No instance may answer in two bursts. With 010.sleep, whose 300 ms are
  longer than the start of all instances, every answer must come from an instance of its own. With
  the others an instance that has answered may take another request before others have started:
  their start modes are "mixed", and `starts` tells how many did. A burst that begins before the one
  before is over finds instances up: `overlapping` tells how many there were.

A burst that found another state is repeated whole. `rounds` tell the median of the bursts' last
answers, and how many instances took part.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.experiments import _loads
from benchmarks.experiments._asker import MOST_RECOLLECTED, ask_together, request_of
from benchmarks.experiments.base import Requests, _Experiment, row, samples_of
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Turn
from benchmarks.load import arrivals
from benchmarks.load.pooled import pooled
from benchmarks.load.result import LAG_BOUND_NS, LoadResult
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import WORKLOADS

START = "zygote"  # the runtime's own choice
_OVERLAPPING = "the burst before it was not over"
_BRINGS_UP = 3  # times that a burst is asked before those that count
_WARM_UP = 1  # bursts of each run
# Of a request: the generator writes those of a burst one after the other, and a lag holds the
# writing of those before it.
_WRITING_NS = 50_000


@dataclass(frozen=True, kw_only=True)
class Bursts(Requests):
    """Bursts of `concurrency` requests to the runtime, whose instances are in the state that the
    start mode names: "warm"; the way of starting, where each request of a burst must start an
    instance; "mixed", where no instance is up before a burst.

    Attributes:
        instances: where they are warm, there are so many at most.
        period_s: from burst to burst.
        bursts, quick: of each round, as a rule and where it must be quick.
    """

    instances: int
    period_s: float
    bursts: int
    quick: int | None = None
    arrivals = "burst"
    label = "bursts of {concurrency} {workload} on {instances} instances, {start_mode}"

    @property
    def rate(self) -> float:
        return self.concurrency / self.period_s

    @property
    def lag_bound_ns(self) -> int:
        """As `Load.lag_bound_ns`."""
        return LAG_BOUND_NS + self.concurrency * _WRITING_NS

    def run(self, turn: Turn) -> Mapping[str, Samples]:
        """As `Trial.run`; gives whole bursts, as many as hold so many samples."""
        size, quick = self.concurrency, self.quick and self.quick * self.concurrency
        samples = turn.count(self.bursts * size, quick)
        kept = Kept(self.start_mode, size, math.ceil(samples / size))
        options = {"start": START, "max_instances": self.instances}
        if self.start_mode != "warm":
            # Room beside those that are about to end.
            options |= {"max_instances": 4 * self.instances, "keep_alive_s": 0}
        with self.served(orchestrator=options) as one:
            assert isinstance(one, Aetherless)
            if self.start_mode == "warm":
                bring_up(one, self.workload, self.instances)
            while kept.missing:
                length_s = (_WARM_UP + kept.missing) * self.period_s
                at, bound_ns = arrivals.burst(size, self.period_s, length_s), self.lag_bound_ns
                kept.take(_loads.sent(one, self.workload, at, turn.seed, size, bound_ns))
            body = request_of(one.port, one.path, self.workload, turn.seed).body
        return {"": kept.samples(len(body))}


def bring_up(one: Aetherless, workload: str, count: int) -> None:
    """Has the runtime bring up the instances that it has answer so many requests at once.

    One that has not answered yet may come to answer later: a burst that it answers is repeated.
    """
    for _ in range(_BRINGS_UP):
        ask_together(one, workload, count)
        while one.instances("starting"):
            time.sleep(0.005)


class Kept:
    """The bursts that found the state which is asked for.

    Args:
        start_mode: as in `Bursts`.
        size: requests of a burst.
        wanted: how many bursts.
    """

    def __init__(self, start_mode: str, size: int, wanted: int) -> None:
        self._start_mode, self._size, self._wanted = start_mode, size, wanted
        self._runs: list[LoadResult] = []
        self._bursts: list[LoadResult] = []  # that are kept
        self._others: list[LoadResult] = []
        self._faults: list[str] = []
        self._starts: Counter[str] = Counter()  # of all but the first ones of the runs
        self._seen: set[str] = set()  # instances, since the server is up

    @property
    def missing(self) -> int:
        """Bursts that are still wanted."""
        return self._wanted - len(self._bursts)

    def take(self, result: LoadResult) -> None:
        """Looks at each burst of a run.

        Raises:
            RuntimeError: too many have found another state.
        """
        self._runs.append(result)
        # Of one that failed, too: it is over when it has failed.
        over_ns = result.intended_ns + result.lag_ns + result.connect_ns + result.service_ns
        for first in range(0, result.requests, self._size):
            burst = _loads.those_of(result, slice(first, first + self._size))
            fault = self._fault(burst, over_ns[:first].max(initial=-1))
            if first < _WARM_UP * self._size:
                self._others.append(burst)
                continue
            self._starts += _loads.starts(burst)
            if fault:
                self._others.append(burst)
                self._faults.append(fault)
            else:
                self._bursts.append(burst)
        if len(self._faults) > MOST_RECOLLECTED * self._wanted:
            raise RuntimeError(
                f"{len(self._faults)} bursts did not find {self._start_mode}, the last one since "
                f"{self._faults[-1]}: {dict(self._starts)}"
            )

    def _fault(self, burst: LoadResult, before_ns: int) -> str | None:
        """In which other state its instances were; those before it were over at that time."""
        mode, instances, found = self._start_mode, _instances(burst), _loads.starts(burst)
        again = self._seen & instances
        self._seen |= instances
        if mode != "warm" and before_ns >= burst.intended_ns[0]:
            return _OVERLAPPING
        if mode != "warm" and again:
            return f"{min(again)} had answered before it"
        if mode != "mixed" and set(found) - {mode}:
            return f"its instances were {dict(found)}"
        return None

    def samples(self, payload_size_bytes: int) -> Samples:
        """Of all that were kept."""
        latencies_ns = [_loads.latencies_ns(each) for each in self._bursts]
        failures = pooled(self._bursts).failures
        warnings = _loads.warnings_of_failures(sum(failures.values()))
        if failed := sum(each.requests - each.succeeded for each in self._others):
            warnings.append(f"{failed} requests failed in bursts that do not count")
        if overlapping := self._faults.count(_OVERLAPPING):
            warnings.append(
                f"{overlapping} bursts that began before the one before was over were"
                " repeated: the tail lacks what delayed them"
            )
        return samples_of(
            np.concatenate(latencies_ns).tolist(),
            failures=failures,
            starts=self._starts,
            payload_size_bytes=payload_size_bytes,
            recollected=len(self._faults) * self._size,
            warnings=warnings,
            invalid=next((each.invalid for each in self._runs if each.invalid), None),
            overlapping=overlapping,
            last_ns=float(np.median([each.max() for each in latencies_ns])),
            instances=float(np.mean([len(_instances(each)) for each in self._bursts])),
            **_loads.told(self._runs[0]),  # the others repeat a few
        )


def _instances(burst: LoadResult) -> set[str]:
    """Those that have answered."""
    return {label.partition(" ")[2] for label, count in burst.labelled.items() if count}


# By workload and state, then by the size of a burst: from burst to burst in s, and bursts a round.
_PLANS = {
    ("noop:empty", "warm"): {1: (0.008, 60), 4: (0.014, 32), 16: (0.04, 8)},
    ("noop:empty", "cold"): {1: (0.07, 8), 4: (0.1, 6), 16: (0.25, 4)},
    ("010.sleep:ms=300", "warm"): {1: (0.32, 1), 4: (0.33, 1), 16: (0.36, 1)},
    ("010.sleep:ms=300", "cold"): {1: (0.4, 1), 4: (0.45, 1), 16: (0.8, 1)},
}
_PLANS_OF_OTHERS = {"warm": {4: (0.1, 2)}, "cold": {4: (0.2, 2)}}
_OTHERS = tuple(  # chain and transfer have experiments of their own
    f"{name}:{next(iter(each.variants))}"
    for name, each in WORKLOADS.items()
    if name not in ("noop", "010.sleep", "chain", "transfer")
)
STATES = ("warm", "cold")


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
        period_s, bursts = _PLANS.get((workload, state), _PLANS_OF_OTHERS[state])[size]
        of_own = START if workload.startswith("010.sleep") else "mixed"
        trial = Bursts(
            workload,
            start_mode="warm" if state == "warm" else of_own,
            concurrency=size,
            instances=size,
            period_s=period_s,
            bursts=bursts,
            quick=4,
        )
        return row(trial, "burst", f"{trial.size}_{state}_{size}", pool=state)


class _BurstWorkload(_Experiment):
    """The same of every other workload, in bursts of 4."""

    param_names = ("workload", "state")
    study = (_OTHERS, STATES)

    def row(self, workload: str, state: str) -> Row:
        return _Burst().row(4, state, workload)
