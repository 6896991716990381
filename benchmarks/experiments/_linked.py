"""Requests that pass through several functions of the runtime, each with one warm instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.experiments._asker import Asking, ask
from benchmarks.experiments._one_at_a_time import samples_of
from benchmarks.harness.samples import Samples
from benchmarks.servers.aetherless import Aetherless

WARMUP = 5  # of which the first brings all instances up


def ask_first(
    one: Aetherless,
    first: str,
    name: str,
    size: str,
    count: int,
    seed: int,
    served: Mapping[str, Any],
) -> Samples:
    """Asks the first of several functions, one request after the other.

    Args:
        one: the runtime.
        first: the function's id.
        name, size: of the workload.
        count: how many requests count.
        seed: of the request.
        served: as `Workload.check` has it.

    Raises:
        RuntimeError, OSError: as `Trial.run`.
    """
    found = ask(
        Asking(
            port=one.port, path=f"/function/{first}", name=name, size=size, count=count,
            seed=seed, warmup=WARMUP, state="warm", served=served,
        )
    )  # fmt: skip
    return samples_of(found)


def prove_warm(one: Aetherless) -> None:
    """Makes sure that each function was started once, and was warm from then on.

    An answer tells the state of the last function only.

    Raises:
        RuntimeError: it is not so.
    """
    for name, starts in one.starts().items():
        if starts.total() - starts["warm"] != 1:
            raise RuntimeError(f"{name} was not warm: {dict(starts)}")
