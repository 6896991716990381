"""Bursts of 1, 4 and 16 requests, on warm and on cold pools of instances of concurrency 1.

STeLLAR's bursts (Ustiugov et al., IISWC 2021), and SeBS's experiment "burst" (Copik et al.,
Middleware 2021): so many requests arrive at the same time, again and again.

Timed, in the generator's process: from the intended start of a burst, which is that of each of its
requests, until the whole answer of each. Connections are there before; the answer's comparison is
made after the clock has stopped. The first burst of each run does not count: in it the generator's
code runs for the first time.

- `warm`: as many instances as a burst has requests are up before, each of which has answered, and
  every answer must say "warm". A burst that begins before the one before is over waits for it, and
  counts.
- `cold`: no instance is up before a burst: none is kept, and the pause between two bursts is longer
  than they take to end. No instance may answer in two bursts, and with 010.sleep, whose 300 ms are
  longer than the start of all instances, every answer must come from an instance of its own. With
  noop an instance that has answered takes another request before others have started: `starts`
  tells how many did. So it is with the other workloads, whose start modes are "mixed", too. A burst
  that begins before the one before is over finds instances up: `overlapping` tells how many there
  were, and a doubt that the tail lacks what delayed them.

A burst that found another state is repeated whole. `rounds` tell the median of the bursts' last
answers, and how many instances took part.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments import loads
from benchmarks.experiments.asker import ask_together
from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.experiments.checks import state_of
from benchmarks.load import arrivals, outcomes
from benchmarks.load.result import LoadResult
from benchmarks.servers.aetherless import Aetherless
from benchmarks.workloads.registry import WORKLOADS, Workload, workload

START = "zygote"  # the runtime's own choice
_OVERLAPPING = "the burst before it was not over"
_MOST_RECOLLECTED = 4  # times as many as are wanted: then something else is wrong
_MOST_TRIES = 20
_WARM_UP = 1  # bursts of each run


class Burst(Trial):
    """Bursts to the runtime, each with its instances in the state that the case names.

    Args:
        case: what it gives. Its concurrency is the size of a burst. Its start mode: "warm"; the
            way of starting, where each request of a burst must start an instance; "mixed", where
            no instance is up before a burst.
        size: of the workload.
        instances: where they are warm, so many are up before, and there are no others.
        period_s: from burst to burst.
        bursts, quick_bursts: of each round.
    """

    def __init__(
        self,
        case: Case,
        size: str,
        instances: int,
        period_s: float,
        bursts: int,
        quick_bursts: int,
    ) -> None:
        self.name, self.cases = case.name, (case,)
        self.samples, self.quick_samples = (n * case.concurrency for n in (bursts, quick_bursts))
        self._size, self._instances, self._period_s = size, instances, period_s

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return workload(self.cases[0].workload).missing()

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`; gives whole bursts, as many as hold so many samples."""
        [case] = self.cases
        asked = workload(case.workload)
        kept = _Kept(case, math.ceil(samples / case.concurrency))
        options: dict[str, Any] = {"start": START, "max_instances": self._instances}
        if case.start_mode != "warm":
            # Room beside those that are about to end.
            options = {"start": START, "max_instances": 4 * self._instances, "keep_alive_s": 0}
        with Aetherless(
            asked.module,
            orchestrator=options,
            memory_limit_mb=asked.memory_mb,
            imports=list(asked.imports),
        ) as one:
            if case.start_mode == "warm":
                _bring_up(one, asked, self._size, self._instances)
            while kept.missing:
                schedule = arrivals.burst(
                    case.concurrency, self._period_s, (_WARM_UP + kept.missing) * self._period_s
                )
                kept.take(
                    loads.sent(
                        one, asked.name, self._size, schedule, seed,
                        connections_before=case.concurrency,
                    )
                )  # fmt: skip
        return {case.name: kept.outcome(loads.payload_size_bytes(asked.name, self._size, seed))}


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
    """The bursts that found the state which is asked for."""

    def __init__(self, case: Case, wanted: int) -> None:
        self._case, self._wanted = case, wanted
        self._latencies_ns: list[NDArray[np.float64]] = []  # a burst each
        self._instances: list[int] = []  # that took part in each
        self._failures: Counter[str] = Counter()
        self._failed_besides = 0  # in bursts that do not count
        self._starts: Counter[str] = Counter()
        self._seen: set[str] = set()  # instances, since the server is up
        self._dropped = self._overlapping = 0
        self._doubts: list[str] = []
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
        latencies_ns = loads.latencies_ns(result)
        why = ""
        for number, at in enumerate(self._each(result)):
            fault = self._fault(result, at)
            failures = loads.failures(result, at)
            if number < _WARM_UP:
                self._failed_besides += failures.total()
                continue
            self._starts += loads.starts(result, at)
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
                f"{self._dropped} bursts did not find {self._case.start_mode}, the last one since "
                f"{why}: {dict(self._starts)}"
            )
        self._doubts += loads.doubts(result)
        self._told = self._told or loads.told(result)  # the others repeat a few

    def _each(self, result: LoadResult) -> Iterator[NDArray[np.bool_]]:
        number = np.arange(result.requests) // self._case.concurrency
        for burst in range(int(number[-1]) + 1):
            yield number == burst

    def _labels(self, result: LoadResult, at: NDArray[np.bool_]) -> list[str]:
        right = at & (result.outcome == outcomes.OK)
        return [result.labels[label] for label in result.label_at[right]]

    def _fault(self, result: LoadResult, at: NDArray[np.bool_]) -> str:
        """In which other state its instances were."""
        mode = self._case.start_mode
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

    def outcome(self, payload_size_bytes: int) -> Outcome:
        """Of all that were kept."""
        doubts = [*self._doubts, *loads.doubts_of_failures(self._failures.total())]
        if self._failed_besides:
            doubts.append(f"{self._failed_besides} requests failed in bursts that do not count")
        if self._overlapping:
            doubts.append(
                f"{self._overlapping} bursts that began before the one before was over were"
                " repeated: the tail lacks what delayed them"
            )
        return Outcome(
            np.concatenate(self._latencies_ns).tolist(),
            failures=self._failures,
            starts=self._starts,
            payload_size_bytes=payload_size_bytes,
            recollected=self._dropped * self._case.concurrency,
            doubts=doubts,
            more={
                "overlapping": self._overlapping,
                "last_ns": float(np.median([each.max() for each in self._latencies_ns])),
                "instances": float(np.mean(self._instances)),
                **self._told,
            },
        )


def _trial(
    name: str, size: str, pool: str, mode: str, burst: int, period_s: float, bursts: int
) -> Burst:
    case = Case(
        experiment="burst",
        workload=name,
        variant=f"{size.replace('=', '')}_{pool}_{burst}",
        start_mode=mode,
        arrivals="burst",
        rate=burst / period_s,
        concurrency=burst,
        more={"pool": pool},
    )
    return Burst(case, size, burst, period_s, bursts, _QUICK_BURSTS)


# Size of a burst, from burst to burst in s, bursts a round.
_Plan = tuple[tuple[int, float, int], ...]
_PLANS: dict[tuple[str, str, str, str], _Plan] = {
    ("noop", "empty", "warm", "warm"): ((1, 0.008, 176), (4, 0.014, 44), (16, 0.04, 11)),
    ("noop", "empty", "cold", "mixed"): ((1, 0.07, 36), (4, 0.1, 25), (16, 0.25, 11)),
    ("010.sleep", "ms=300", "warm", "warm"): ((1, 0.32, 8), (4, 0.33, 8), (16, 0.36, 11)),
    ("010.sleep", "ms=300", "cold", START): ((1, 0.4, 7), (4, 0.45, 6), (16, 0.8, 4)),
}
_OTHERS = [name for name in WORKLOADS if name not in ("noop", "010.sleep", "chain", "transfer")]
_QUICK_BURSTS = 4


def _trials() -> list[Trial]:
    plans = dict(_PLANS)
    for name in _OTHERS:  # chain and transfer have experiments of their own
        smallest = next(iter(workload(name).variants))
        plans[name, smallest, "warm", "warm"] = ((4, 0.1, 6),)
        plans[name, smallest, "cold", "mixed"] = ((4, 0.2, 6),)
    return [_trial(*which, *each) for which, plan in plans.items() for each in plan]


TRIALS = _trials()
QUICK = ("burst_noop_empty_warm_16",)
