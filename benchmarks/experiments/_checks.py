"""What the load generator's process does with each answer: compares it, and keeps its state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.workloads.registry import workload

if TYPE_CHECKING:  # asv looks through the suites where the generator's packages may be missing
    from benchmarks.load.connection import Check, Headers


def answers(name: str, size: str, seed: int) -> Check:
    """The check of a workload's answers. What they are compared with is made here, before the run.

    Args:
        name, size: of the workload and its variant.
        seed: of the request.

    Returns:
        A check that raises `WrongAnswer`, and labels an answer with its state and its instance, as
        the runtime says; with nothing where the server says nothing.
    """
    asked = workload(name)
    asked.prepare(size, seed)

    def check(status: int, headers: Headers, body: bytes) -> str | None:
        told = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in headers}
        asked.check(size, seed, status, told, body)
        start = told.get("x-aether-start")
        return start and f"{start} {told.get('x-aether-instance')}"

    return check


def state_of(label: str) -> str:
    """The state that a label names."""
    return label.partition(" ")[0]
