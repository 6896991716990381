"""Ways between two processes, real ones, behind one contract: see `base`.

A file put into this folder is found, and its ways are measured and tested.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.transports.base import Transport


@functools.cache
def transports() -> dict[str, type[Transport]]:
    """The ways by their names. Whether this machine has one is for its `missing` to say."""
    # Not above: processes that measure one way need none of it.
    from benchmarks.harness import registry
    from benchmarks.transports.base import Transport

    return registry.classes(__name__, Transport)
