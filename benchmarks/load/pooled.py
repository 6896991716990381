"""Several runs of one load as one: every request of each of them counts alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.result import LoadResult

_SUMS = (
    "elapsed_ns", "connections_opened", "resent", "steal_seconds", "cpu_seconds", "preempted",
)  # fmt: skip
_ARRAYS = ("lag_ns", "connect_ns", "service_ns", "outcome")


def pooled(results: Sequence[LoadResult]) -> LoadResult:
    """All their requests, run after run; the pauses between the runs are left out.

    Its histogram and percentiles are those of all requests.

    Args:
        results: of runs with the same load, but for seeds; the first one's seed stands for all.

    Raises:
        ValueError: none, or runs of both kinds of loops.
    """
    if len({each.loop for each in results}) != 1:
        raise ValueError(f"{len(results)} runs of {len({each.loop for each in results})} kinds")
    if len(results) == 1:
        return results[0]
    sending_s = [
        each.elapsed_ns / 1e9 if each.offered_per_s is None else each.requests / each.offered_per_s
        for each in results
    ]
    begins_ns = [round(1e9 * each) for each in accumulate(sending_s[:-1], initial=0.0)]
    requests = sum(each.requests for each in results)
    labels = list(dict.fromkeys(label for each in results for label in each.labels))
    together: dict[str, Any] = {
        name: how([getattr(each, name) for each in results])
        for how, names in ((sum, _SUMS), (np.concatenate, _ARRAYS))
        for name in names
    }
    return replace(
        results[0],
        **together,
        offered_per_s=None if results[0].loop == "closed" else requests / sum(sending_s),
        why={name: why for each in reversed(results) for name, why in each.why.items()},
        intended_ns=np.concatenate(
            [each.intended_ns + at_ns for each, at_ns in zip(results, begins_ns, strict=True)]
        ),
        label_at=np.concatenate([_places(each.labels, labels)[each.label_at] for each in results]),
        labels=labels,
    )


def _places(some: Sequence[str], every: Sequence[str]) -> NDArray[np.int32]:
    """Where each of some labels is among all."""
    return np.array([every.index(label) for label in some], dtype=np.int32)
