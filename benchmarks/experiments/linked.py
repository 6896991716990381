"""Requests that pass through several functions of the runtime, each with one warm instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.experiments.asker import Asking, ask
from benchmarks.experiments.base import Case, Outcome
from benchmarks.servers.aetherless import Aetherless

WARMUP = 5  # of which the first brings all instances up


def ask_first(
    one: Aetherless,
    first: str,
    case: Case,
    size: str,
    samples: int,
    seed: int,
    served: Mapping[str, Any],
) -> Outcome:
    """Asks the first of several functions, one request after the other.

    Args:
        one: the runtime.
        first: the function's id.
        case: what it is for.
        size: of the workload.
        samples: how many requests count.
        seed: of the request.
        served: as `Workload.check` has it.

    Raises:
        RuntimeError, OSError: as `Trial.run`.
    """
    found = ask(
        Asking(
            port=one.port, path=f"/function/{first}", name=case.workload, size=size, count=samples,
            seed=seed, warmup=WARMUP, state="warm", served=served,
        )
    )  # fmt: skip
    return Outcome(
        found["latency_ns"],
        starts=found["starts"],
        payload_size_bytes=found["payload_size_bytes"],
        recollected=found["recollected"],
    )


def prove_warm(one: Aetherless) -> None:
    """Makes sure that each function was started once, and was warm from then on.

    An answer tells the state of the last function only.

    Raises:
        RuntimeError: it is not so.
    """
    for name, starts in one.starts().items():
        if starts.total() - starts["warm"] != 1:
            raise RuntimeError(f"{name} was not warm: {dict(starts)}")
