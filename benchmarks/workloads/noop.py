"""noop: does nothing, so that what is measured is everything else."""

from __future__ import annotations

from typing import Any

WORKLOAD = {"name": "noop", "variants": ("empty",)}


def handler(event: Any, context: Any) -> Any:
    """An empty object."""
    return {}


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """Nothing but a head, whatever the size and the seed."""
    return "GET", "/", {}, b""


def expected(size: int, seed: int) -> dict[str, int]:
    """An empty object."""
    return {}
