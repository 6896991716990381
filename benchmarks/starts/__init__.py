"""Ways of starting an instance, one file each behind one contract (`base`).

`_launched` and the other files whose names begin so are what several ways have in common;
`programs` holds what runs in their instances.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmarks.harness.registry import classes

if TYPE_CHECKING:
    from benchmarks.starts.base import Way


@functools.cache
def ways() -> dict[str, type[Way]]:
    """All ways by their names: the package's start strategies, and the files of this folder."""
    from benchmarks.starts._package_strategy import strategies
    from benchmarks.starts.base import Way

    return {**strategies(), **classes(__name__, Way)}


def way(name: str) -> type[Way]:
    """The way of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in ways():
        raise ValueError(f"no way of starting {name!r}: there are {', '.join(ways())}")
    return ways()[name]
