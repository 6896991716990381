"""Several runs of one load as one: every request of each of them counts alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.result import LoadResult


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
    return replace(
        results[0],
        offered_per_s=None if results[0].loop == "closed" else requests / sum(sending_s),
        elapsed_ns=sum(each.elapsed_ns for each in results),
        connections_opened=sum(each.connections_opened for each in results),
        why={name: why for each in reversed(results) for name, why in each.why.items()},
        steal_seconds=sum(each.steal_seconds for each in results),
        cpu_seconds=sum(each.cpu_seconds for each in results),
        preempted=sum(each.preempted for each in results),
        intended_ns=np.concatenate(
            [each.intended_ns + at_ns for each, at_ns in zip(results, begins_ns, strict=True)]
        ),
        lag_ns=np.concatenate([each.lag_ns for each in results]),
        connect_ns=np.concatenate([each.connect_ns for each in results]),
        service_ns=np.concatenate([each.service_ns for each in results]),
        outcome=np.concatenate([each.outcome for each in results]),
        label_at=np.concatenate([_places(each.labels, labels)[each.label_at] for each in results]),
        labels=labels,
    )


def _places(some: Sequence[str], every: Sequence[str]) -> NDArray[np.int32]:
    """Where each of some labels is among all."""
    return np.array([every.index(label) for label in some], dtype=np.int32)
