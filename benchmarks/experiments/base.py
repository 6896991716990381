"""What all experiments share: the base of their classes, their rows, and what their rounds say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from benchmarks import package
from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Trial
from benchmarks.harness.statistics import tail_to_median
from benchmarks.harness.suite import _Suite
from benchmarks.load.histogram import Histogram
from benchmarks.servers import server
from benchmarks.servers.aetherless import Aetherless, AetherlessProxied
from benchmarks.servers.base import not_installed
from benchmarks.workloads.registry import workload


class _Experiment(_Suite):
    """Base of the experiments' classes; a parameter `workload` has the form of `asked`."""

    category = "e2e"


class _Requests(Trial):
    """Base of the experiments' trials, which are frozen dataclasses.

    Attributes:
        label: makes their name of their fields. What stands before " by " is the same for all that
            are measured right after each other.
        workload: what is asked for.
        platform: who answers.
    """

    label: ClassVar[str]
    workload: str
    platform: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """As `Trial.name`."""
        return " ".join(self.label.format_map(vars(self)).split())

    @property
    def group(self) -> str:  # type: ignore[override]
        """As `Trial.group`."""
        return self.name.partition(" by ")[0]

    def missing(self) -> str | None:
        """As `Trial.missing`."""
        return missing(self.workload, self.platform)


def asked(text: str) -> tuple[str, str]:
    """Workload and variant of "110.dynamic-html:items=10"."""
    name, _, size = text.partition(":")
    return name, size


def short(size: str) -> str:
    """A workload's variant as it stands in names."""
    return size.replace("=", "")


def missing(name: str, platform: str) -> str | None:
    """Why a workload cannot be measured on a platform here; None where it can."""
    kind = server(platform)
    lacks = not_installed("hdrh", "httptools", "uvloop") or workload(name).missing()
    if issubclass(kind, Aetherless):
        lacks = lacks or package.lacks(package.command)
    if issubclass(kind, AetherlessProxied):
        lacks = lacks or package.lacks(package.executables)
    return lacks or kind.missing()


def samples_of(
    durations_ns: Sequence[float],
    *,
    failures: Mapping[str, int] | None = None,
    starts: Mapping[str, int] | None = None,
    payload_size_bytes: int = 0,
    recollected: int = 0,
    warnings: Sequence[str] = (),
    invalid: str | None = None,
    **more: Any,
) -> Samples:
    """The samples of one round of requests.

    Args:
        durations_ns: a latency for each request that counts; of one that failed the time-out,
            however soon it failed: whoever wants the answer has none.
        failures: how many of them failed, by class.
        starts: how many were answered by an instance in which state, as the runtime says.
        payload_size_bytes: of the requests' bodies.
        recollected: requests that found another state than the one asked for, and were repeated.
        warnings, invalid: as `Samples`.
        more: what else there is to say of this round.
    """
    return Samples(
        durations_ns=durations_ns,
        clock_cost_ns=clock_cost_ns(),
        facts={
            "failures": dict(failures or {}),
            "starts": dict(starts or {}),
            "payload_size_bytes": payload_size_bytes,
            "recollected": recollected,
            "more": more,
        },
        warnings=warnings,
        invalid=invalid,
    )


def told(rounds: Sequence[Samples]) -> dict[str, Any]:
    """What the rounds of `samples_of` say together.

    Returns:
        `payload_size_bytes`; `failures` by class, `starts` by state, `recollected`; `histogram`,
        HDR, of the requests that succeeded; `tail_to_median_ratio`, p99 to median as STeLLAR
        defines it (Ustiugov et al., IISWC 2021), None where fewer than ten samples lie beyond the
        p99; `rounds`, what each had to say of itself.
    """
    failures: Counter[str] = Counter()
    starts: Counter[str] = Counter()
    for each in rounds:
        failures += Counter(each.facts["failures"])
        starts += Counter(each.facts["starts"])
    ordered = np.sort(np.concatenate([each.durations_ns for each in rounds]))
    # A failed one stands as the time-out, behind all that succeeded.
    succeeded = ordered[: len(ordered) - failures.total()]
    found: dict[str, Any] = {
        "payload_size_bytes": rounds[0].facts["payload_size_bytes"],
        "failures": dict(failures),
        "starts": dict(starts),
        "recollected": sum(each.facts["recollected"] for each in rounds),
        "tail_to_median_ratio": tail_to_median(ordered) if len(succeeded) else None,
        "histogram": Histogram.of(succeeded.tolist()).encoded(),
    }
    said = [each.facts["more"] for each in rounds]
    return {**found, "rounds": said} if any(said) else found


def row(
    trial: Trial,
    part: str,
    experiment: str,
    name: str,
    variant: str,
    *,
    platform: str = "aetherless",
    start_mode: str = "warm",
    arrivals: str = "sequential",
    rate: float | None = None,
    concurrency: int = 1,
    beside: Mapping[str, tuple[Trial, str]] | None = None,
    told: Callable[[Sequence[Samples]], Mapping[str, Any]] = told,
    **more: Any,
) -> Row:
    """The row ``e2e_<experiment>_<workload>_<variant>``, and what belongs to it.

    Args:
        trial, part, beside, told: as `Row`.
        experiment: its name.
        name: of the workload.
        variant: what sets it apart from the experiment's others with this workload.
        platform: a name of `benchmarks.servers`.
        start_mode: of the requests that are asked for: "warm", or how an instance is started for
            each; "mixed" where both may come.
        arrivals: "sequential", "closed", or what `load.arrivals` makes: "constant", "poisson",
            "burst".
        rate: requests a second by the schedule; None where there is none.
        concurrency: connections, or requests at once.
        more: what else belongs into its metadata.
    """
    return Row(
        name=f"e2e_{experiment}_{name}_{variant}",
        trial=trial,
        part=part,
        beside=beside or {},
        told=told,
        facts={
            "experiment": experiment,
            "workload": name,
            "platform": platform,
            "start_mode": start_mode,
            "arrivals": arrivals,
            "rate": rate,
            "concurrency": concurrency,
            **more,
        },
    )
