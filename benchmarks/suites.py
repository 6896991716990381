"""The suites, and the rows of each selection."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence

from benchmarks.harness.row import Row
from benchmarks.harness.selection import Selection
from benchmarks.harness.suite import _Suite

# Categories, and the modules that measure them.
MODULES = {
    "ring_buffer": "ring_buffer",
    "ipc": "ipc",
    "cold_start": "cold_start",
    "e2e": "e2e_latency",
}


def classes(category: str) -> Iterator[type[_Suite]]:
    """The classes of a category, in the order in which its module defines them."""
    module = importlib.import_module(f"benchmarks.{MODULES[category]}")
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, _Suite) and value.__name__[0] != "_":
            yield value


def rows(
    selection: Selection, categories: Sequence[str] | None = None, pattern: str = ""
) -> list[Row]:
    """The rows of a selection.

    Args:
        selection: which.
        categories: of these; None for all.
        pattern: a regular expression that is found in the row's name or, as in asv, in
            "module.Class.method(parameters)".

    Raises:
        re.error: the pattern is none.
    """
    fits = re.compile(pattern).search
    return [
        row
        for category in MODULES
        if categories is None or category in categories
        for suite in classes(category)
        for row in suite.rows(selection)
        if fits(row.name) or fits(row.full_name)
    ]
