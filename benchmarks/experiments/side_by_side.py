"""The same requests to several platforms, one platform right after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.experiments.base import Case, Outcome, Trial
from benchmarks.experiments.states import one_at_a_time
from benchmarks.servers import server
from benchmarks.workloads.registry import workload


class SideBySide(Trial):
    """Requests one at a time, to each platform for itself, in an order drawn from the seed.

    Args:
        name: of the trial.
        cases: of one workload and one size, a platform each.
        size: of the workload.
        samples: of each case and round.
        orchestrator: options of the runtime, where it is the platform.
    """

    def __init__(
        self, name: str, cases: Sequence[Case], size: str, samples: int, **orchestrator: Any
    ) -> None:
        self.name, self.cases = name, tuple(cases)
        self.samples = self.quick_samples = samples
        self._size, self._orchestrator = size, orchestrator

    def missing(self) -> str | None:
        """As `Trial.missing`: one without the others says nothing."""
        asked = workload(self.cases[0].workload)
        lacks = [asked.missing(), *(server(case.platform).missing() for case in self.cases)]
        return next(filter(None, lacks), None)

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        """As `Trial.run`. `more` has the difference of a case's median to those beside it."""
        found = {
            case.name: one_at_a_time(case, self._size, samples, seed, **self._orchestrator)
            for case in (self.cases[at] for at in self._order(seed))
        }
        medians_ns = {name: float(np.median(one.samples_ns)) for name, one in found.items()}
        return {
            case.name: replace(
                found[case.name],
                more={
                    **found[case.name].more,
                    **{
                        f"above_{other}_ns": medians_ns[case.name] - medians_ns[case.of(other)]
                        for other in case.beside
                    },
                },
            )
            for case in self.cases
        }

    def _order(self, seed: int) -> list[int]:
        return [int(at) for at in np.random.default_rng(seed).permutation(len(self.cases))]
