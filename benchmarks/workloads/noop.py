"""noop: does nothing, so that what is measured is everything else."""

from __future__ import annotations

from typing import Any

NAME = "noop"


def handler(event: Any, context: Any) -> Any:
    """An empty object."""
    return {}


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """Nothing but a head, whatever the size and the seed."""
    return "GET", "/", {}, b""


def expected(size: int, seed: int) -> bytes:
    """An empty object."""
    return b"{}"


def fault(expected: bytes, body: bytes) -> str | None:
    """Whether it is that."""
    return None if body == expected else f"{body[:80]!r}, not {expected!r}"
