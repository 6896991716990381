"""The contract of all experiments: cases, which are results, and trials, which measure them."""

from __future__ import annotations

import abc
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.sampler import sample_set
from benchmarks.harness.statistics import tail_to_median
from benchmarks.load.histogram import Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One result, ``e2e_<experiment>_<workload>_<variant>``, and what belongs to it.

    Attributes:
        experiment: its name.
        workload: of the registry.
        variant: what sets it apart from the experiment's others with this workload.
        platform: a name of `benchmarks.servers`.
        start_mode: of the requests that are asked for: "warm", or how an instance is started for
            each; "mixed" where both may come.
        arrivals: "sequential", "closed", or what `load.arrivals` makes: "constant", "poisson",
            "burst".
        rate: requests a second by the schedule; None where there is none.
        concurrency: connections, or requests at once.
        beside: variants of the same experiment and workload that its ratio is given to.
        more: what else belongs into its metadata.
    """

    experiment: str
    workload: str
    variant: str
    platform: str = "aetherless"
    start_mode: str = "warm"
    arrivals: str = "sequential"
    rate: float | None = None
    concurrency: int = 1
    beside: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Behind ``e2e_``."""
        return self.of(self.variant)

    def of(self, variant: str) -> str:
        """The name of another variant."""
        return f"{self.experiment}_{self.workload}_{variant}"

    def metadata(self) -> dict[str, Any]:
        """What of it belongs into the result."""
        return {
            "experiment": self.experiment,
            "workload": self.workload,
            "platform": self.platform,
            "start_mode": self.start_mode,
            "arrivals": self.arrivals,
            "rate": self.rate,
            "concurrency": self.concurrency,
            **self.more,
        }


@dataclass(slots=True)
class Outcome:
    """What one round gave of one case.

    Attributes:
        samples_ns: a latency for each request that counts; of one that failed the time-out,
            however soon it failed: whoever wants the answer has none.
        failures: how many of them failed, by class.
        starts: how many were answered by an instance in which state, as the runtime says.
        payload_size_bytes: of the requests' bodies.
        recollected: requests that found another state than the one asked for, and were repeated.
        doubts: what makes this round doubtful, a line each.
        more: what else there is to say of it.
    """

    samples_ns: Sequence[float]
    failures: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)
    payload_size_bytes: int = 0
    recollected: int = 0
    doubts: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_set(self) -> dict[str, Any]:
        """As a `sample_set`, with the rest beside the samples."""
        return {
            **sample_set(self.samples_ns, 1, "per_operation", clock_cost_ns()),
            "failures": dict(self.failures),
            "starts": dict(self.starts),
            "payload_size_bytes": self.payload_size_bytes,
            "recollected": self.recollected,
            "doubts": list(self.doubts),
            "more": dict(self.more),
        }


class Trial(abc.ABC):
    """What is measured in one go of a round, in fresh processes of its own.

    Attributes:
        name: its own among all experiments'.
        cases: the results that it gives.
        samples, quick_samples: of each case and round, as a rule and where it must be quick.
        group: trials with the same one are measured right after each other, so that what the
            machine does from minute to minute hits all that is held against each other.
    """

    name: str
    group: str | None = None
    cases: tuple[Case, ...]
    samples: int
    quick_samples: int

    def missing(self) -> str | None:
        """Why it cannot be had on this machine, and what would help; None if it can."""
        return None

    @abc.abstractmethod
    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """Measures.

        Args:
            samples: wanted of each case.
            seed: of whatever is random in this round.

        Returns:
            The outcome of each case, by its name.

        Raises:
            RuntimeError, OSError: there is none.
        """


def metadata_of(sets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the rounds of a case say beside their samples.

    Args:
        sets: `Outcome.as_set()` of each round.

    Returns:
        `payload_size_bytes`; `failures` by class, `starts` by state, `recollected`; `histogram`,
        HDR, of the requests that succeeded; `tail_to_median_ratio`, p99 to median as STeLLAR
        defines it (Ustiugov et al., IISWC 2021), None where fewer than ten samples lie beyond the
        p99; `rounds`, what each had to say of itself.
    """
    failures: Counter[str] = Counter()
    starts: Counter[str] = Counter()
    for one in sets:
        failures += Counter(one["failures"])
        starts += Counter(one["starts"])
    samples = np.sort(np.concatenate([one["samples_ns"] for one in sets]))
    # A failed one stands as the time-out, behind all that succeeded.
    succeeded = samples[: len(samples) - failures.total()]
    ratio = tail_to_median(samples) if len(succeeded) else None
    found: dict[str, Any] = {
        "payload_size_bytes": sets[0]["payload_size_bytes"],
        "failures": dict(failures),
        "starts": dict(starts),
        "recollected": sum(one["recollected"] for one in sets),
        "tail_to_median_ratio": ratio,
        "histogram": Histogram.of(succeeded.tolist()).encoded(),
    }
    rounds = [one["more"] for one in sets]
    if any(rounds):
        found["rounds"] = rounds
    return found
