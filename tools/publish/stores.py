"""Where the results of each selection lie, in asv's form."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.selection import Selection


def store(results_dir: Path, selection: Selection) -> Path:
    """The store of a selection: quick and full results are never in one.

    Args:
        results_dir: as asv's configuration has it: the store of tracking. The others lie beside it.
        selection: whose store.
    """
    return results_dir if selection is Selection.TRACKING else results_dir.parent / selection.value
