"""Where the results of each selection lie, in asv's form."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.selection import Selection

USUAL = "results"


def store(results_dir: Path, selection: Selection) -> Path:
    """The store of a selection: that of tracking is the configured one, with the others beside."""
    if selection is Selection.TRACKING:
        return results_dir
    # Beside a folder of another name, such as that of `make compare`, lies its own.
    own = results_dir.name == USUAL
    return results_dir.with_name(selection.value if own else f"{results_dir.name}-{selection}")
