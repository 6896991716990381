"""How long measuring takes: from the last time, or else an estimate."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Measured, Trial
from tools.working_tree import ROOT

# The file that they are kept in, where that is not the one below.
FILE_VARIABLE = "AETHERLESS_DURATIONS"


class Durations:
    """What a turn of each trial took when it was measured last, in s; kept in a file.

    Args:
        selection: that is measured: a turn of the quick one takes fewer samples.
        iterations: samples of each row in each round, where the user has said so.
    """

    def __init__(self, selection: Selection | None, iterations: int | None = None) -> None:
        self._kind = "quick" if selection is Selection.QUICK else "standard"
        if iterations is not None:
            self._kind = f"{iterations} samples"
        self._path = Path(os.environ.get(FILE_VARIABLE) or ROOT / ".asv" / "durations.json")
        self._all: dict[str, dict[str, float]] = {}
        # A file that makes no sense is as good as none.
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            found = json.loads(self._path.read_text())
            self._all = {
                kind: {name: float(seconds) for name, seconds in own.items()}
                for kind, own in found.items()
            }

    def turn_s(self, trial: Trial) -> float:
        """What a turn of this one takes, probably."""
        return self._all.get(self._kind, {}).get(trial.name, trial.turn_s)

    def note(self, measured: Mapping[str, Measured]) -> None:
        """Keeps what a session took. Where the file cannot be written, nothing is kept."""
        own = self._all.setdefault(self._kind, {})
        for name, one in measured.items():
            if one.missing is not None:
                own[name] = 0.0
            elif one.seconds:
                own[name] = round(statistics.median(one.seconds), 3)
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            written = self._path.with_suffix(f".{os.getpid()}")
            written.write_text(json.dumps(self._all, indent=1, sort_keys=True))
            written.replace(self._path)


def in_words(seconds: float) -> str:
    """A duration for people: `75 s`, `12 min`, `2 h 10 min`."""
    if seconds < 120:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, what: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
