"""noop: does nothing, so that what is measured is everything else."""

from __future__ import annotations

from typing import Any


def handler(event: Any, context: Any) -> Any:
    """An empty object."""
    return {}
