"""The experiments of the end-to-end category, one file each behind one contract (`base`).

An experiment is a module with `TRIALS`, what it measures, and `QUICK`, the names of those trials
that stand for it where it must be quick.
"""

from __future__ import annotations

import importlib

from benchmarks.experiments.base import Trial

EXPERIMENTS = (
    "states", "layers", "crowd", "protocol", "burst", "service_time", "payload", "keep_alive",
    "load_curve", "package", "chain", "transfer",
)  # fmt: skip


def trials(quick: bool) -> list[Trial]:
    """All that is to be measured, of all experiments."""
    found: list[Trial] = []
    for name in EXPERIMENTS:
        module = importlib.import_module(f"{__name__}.{name}")
        found += [trial for trial in module.TRIALS if not quick or trial.name in module.QUICK]
    return found
