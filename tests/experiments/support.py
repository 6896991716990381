"""Real runs of trials with few samples."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

import pytest

from benchmarks.experiments.base import told
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Trial, Turn
from benchmarks.suites import rows

SEED = 5
SAMPLES = 4
STUDY = {row.name: row for row in rows(Selection.STUDY, ["e2e"])}


def run(trial: Trial, samples: int = SAMPLES) -> Mapping[str, Samples]:
    """What a real run gives; nothing of it has failed. Skips what this machine lacks."""
    if (why := trial.missing()) is not None:
        pytest.skip(why)
    found = trial.run(Turn(SEED, samples))
    for one in found.values():
        assert not one.facts["failures"]
        assert all(sample > 0 for sample in one.durations_ns)
        json.dumps([asdict(one), told([one])], allow_nan=False)
    return found


def run_row(name: str, samples: int = SAMPLES) -> Samples:
    """What a real run gives of the row of that name."""
    row = STUDY[name]
    return run(row.trial, samples)[row.part]
