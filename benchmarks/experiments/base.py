"""What all experiments share: the bases of their trials and classes, their rows, and what is told.

A trial asks in one of four shapes: one request at a time (`_one_at_a_time`), in a closed loop or in
an open one (`_loads`), or in bursts (`burst.Bursts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from benchmarks import package
from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import Trial
from benchmarks.harness.statistics import tail_to_median
from benchmarks.harness.suite import _Suite
from benchmarks.load import histogram
from benchmarks.servers import server
from benchmarks.servers.aetherless import Aetherless, AetherlessProxied
from benchmarks.servers.base import Server, not_installed
from benchmarks.workloads.registry import asked

REFERENCE = "aetherless"  # to which the results of other platforms are given


class _Experiment(_Suite):
    """Base of the experiments' classes; a parameter `workload` has the form of `asked`."""

    category = "e2e"


@dataclass(frozen=True)
class Requests(Trial):
    """Base of the experiments' trials: one workload, which one platform is asked for.

    Attributes:
        label: makes their name of their fields. What stands before " by " is the same for all that
            are measured right after each other.
        arrivals: "sequential", "closed", or what `load.arrivals` makes: "constant", "poisson",
            "burst".
        workload: and its variant, in the form of `asked`.
        platform: who answers, a name of `benchmarks.servers`.
        start_mode: of the requests that are asked for: "warm", or how an instance is started for
            each; "mixed" where both may come.
        concurrency: connections, or requests at once.
    """

    label: ClassVar[str]
    arrivals: ClassVar[str] = "sequential"
    workload: str
    platform: str = REFERENCE
    start_mode: str = "warm"
    concurrency: int = 1

    @property
    def name(self) -> str:  # type: ignore[override]
        return " ".join(self.label.format_map(vars(self)).split())

    @property
    def group(self) -> str:  # type: ignore[override]
        return self.name.partition(" by ")[0]

    @property
    def size(self) -> str:
        """The variant as it stands in names."""
        return asked(self.workload)[1].replace("=", "")

    @property
    def rate(self) -> float | None:
        """Requests a second by the schedule; None where there is none."""
        return None

    def missing(self) -> str | None:
        kind = server(self.platform)
        lacks = not_installed("hdrh", "httptools", "uvloop") or asked(self.workload)[0].missing()
        if issubclass(kind, Aetherless):
            lacks = lacks or package.lacks(package.command)
        if issubclass(kind, AetherlessProxied):
            lacks = lacks or package.lacks(package.executables)
        if self.start_mode not in ("warm", "mixed"):
            lacks = lacks or package.strategy(self.start_mode).missing()
        return lacks or kind.missing()

    def served(
        self, concurrency: int = 1, kind: type[Server] | None = None, **options: Any
    ) -> Server:
        """Who answers, and takes so many requests at a time; not yet started.

        It is of that kind, or the platform. The options are the runtime's, of which imports go
        beside the workload's; others have none.
        """
        workload, kind = asked(self.workload)[0], kind or server(self.platform)
        if not issubclass(kind, Aetherless):
            return kind(workload.module, concurrency)
        modules = [*workload.imports, *options.pop("imports", ())]
        if modules and kind is not AetherlessProxied:  # an executable imports by itself
            options["imports"] = modules
        return kind(workload.module, concurrency, memory_limit_mb=workload.memory_mb, **options)


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
        failures, starts: how many failed, by class; how many were answered in which state.
        recollected: requests that found another state than the one asked for, and were repeated.
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


def saying(samples: Samples, **more: Any) -> Samples:
    """The same with more to say of the round."""
    return replace(samples, facts={**samples.facts, "more": {**samples.facts["more"], **more}})


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
        "histogram": histogram.encoded(succeeded.tolist()),
    }
    said = [each.facts["more"] for each in rounds]
    return {**found, "rounds": said} if any(said) else found


def row(
    trial: Requests,
    experiment: str,
    variant: str,
    part: str = "",
    *,
    beside: Mapping[str, tuple[Trial, str]] | None = None,
    told: Callable[[Sequence[Samples]], Mapping[str, Any]] = told,
    **more: Any,
) -> Row:
    """The row ``e2e_<experiment>_<workload>_<variant>``, and what belongs to it.

    Args:
        trial, part, told: as `Row`.
        experiment: its name.
        variant: what sets it apart from the experiment's others with this workload.
        beside: as `Row`; None for the same by the reference, if it is by another platform.
        more: what else belongs into its metadata.
    """
    name = asked(trial.workload)[0].name
    if beside is None and trial.platform != REFERENCE:
        beside = {REFERENCE: (replace(trial, platform=REFERENCE), part)}
    return Row(
        name=f"e2e_{experiment}_{name}_{variant}",
        trial=trial,
        part=part,
        beside=beside or {},
        told=told,
        facts={
            "experiment": experiment,
            "workload": name,
            "platform": trial.platform,
            "start_mode": trial.start_mode,
            "arrivals": trial.arrivals,
            "rate": trial.rate,
            "concurrency": trial.concurrency,
            **more,
        },
    )
