"""Where the results of each selection lie, in asv's form."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.selection import Selection

USUAL = "results"


def store(results_dir: Path, selection: Selection) -> Path:
    """The store of a selection: quick and full results are never in one.

    Args:
        results_dir: as asv's configuration has it: the store of tracking. The others lie beside it.
        selection: whose store.
    """
    if selection is Selection.TRACKING:
        return results_dir
    # Beside a folder of another name, such as that of `make compare`, lies its own.
    own = results_dir.name == USUAL
    return results_dir.with_name(selection.value if own else f"{results_dir.name}-{selection}")
