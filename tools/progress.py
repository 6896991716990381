"""How long measuring takes, by the last time or else the mean of each suite, and how far it is."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from benchmarks.harness.row import Row
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import ROUNDS, Measured
from tools.working_tree import ROOT

# The file that they are kept in, where that is not the one below.
FILE_VARIABLE = "AETHERLESS_DURATIONS"
# What a turn of each suite takes in the mean, in s, on two processors.
_MEAN_S = {
    Selection.TRACKING: {"ring_buffer": 0.12, "ipc": 0.17, "cold_start": 0.36, "e2e": 1.0},
    Selection.STUDY: {"ring_buffer": 0.12, "ipc": 0.25, "cold_start": 0.57, "e2e": 1.2},
    Selection.QUICK: {"ring_buffer": 0.10, "ipc": 0.12, "cold_start": 0.30, "e2e": 0.9},
}
_ASV_ROW_S = 0.5  # what asv adds to each row: its process, and what is noted of the machine
_KEPT = TypeAdapter(dict[str, dict[str, float]])
LINE_S = 60.0
# The estimate is corrected by what was measured, as soon as that is more than a moment.
_TRUST_S = 10.0


class Durations:
    """What a turn of each trial of that kind took when it was measured last; kept in a file."""

    def __init__(self, selection: Selection | None, iterations: int | None = None) -> None:
        self._mean_s = _MEAN_S[selection or Selection.STUDY]
        self._kind = "quick" if selection is Selection.QUICK else "standard"
        if iterations is not None:
            self._kind = f"{iterations} samples"
        self._path = Path(os.environ.get(FILE_VARIABLE) or ROOT / ".asv" / "durations.json")
        self._all: dict[str, dict[str, float]] = {}
        # A file that makes no sense is as good as none.
        with contextlib.suppress(OSError, ValueError):
            self._all = _KEPT.validate_json(self._path.read_bytes())

    def turns_s(self, rows: Iterable[Row]) -> dict[str, float]:
        """What a turn of each trial of these rows takes, probably, by its name."""
        known = self._all.get(self._kind, {})
        return {
            trial.name: known.get(trial.name, self._mean_s.get(row.category, 1.0))
            for row in rows
            for trial in row.trials()
        }

    def by_asv_s(self, rows: Iterable[Row], number: int) -> float:
        """What asv takes for so many rows, of which those are measured in a session each."""
        return number * _ASV_ROW_S + ROUNDS * sum(sum(self.turns_s([row]).values()) for row in rows)

    def note(self, measured: Mapping[str, Measured]) -> None:
        """Keeps what a session took. Where the file cannot be written, nothing is kept."""
        own = self._all.setdefault(self._kind, {})
        for name, one in measured.items():
            if one.missing is not None:
                own[name] = 0.0
            elif one.takes:
                own[name] = round(statistics.median(take.seconds for take in one.takes), 3)
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


class SessionProgress(Progress):
    """A `Tell` for a session: a bar with the time left on a terminal, a line a minute elsewhere.

    It draws between turns only: whoever draws takes time from what is measured.
    """

    def __init__(self, turn_s: Callable[[str], float], total_s: float) -> None:
        console = Console(stderr=True)
        name, left = TextColumn("{task.description:28.28}"), TextColumn("{task.fields[left]}")
        super().__init__(
            name, BarColumn(16), left,
            console=console, transient=True, auto_refresh=False, disable=not console.is_terminal,
        )  # fmt: skip
        self._turn_s, self._total_s = turn_s, total_s
        self._row = self.add_task("", total=total_s, left="")
        self._done_s = self._next_s = 0.0
        self._began_s = self._line_s = time.monotonic()

    def __call__(self, done: int, total: int, name: str) -> None:
        """As the session tells it: that many turns are over, of how many, and what comes next."""
        self._done_s += self._next_s
        self._next_s = self._turn_s(name) if done < total else 0.0
        now_s = time.monotonic()
        pace = (now_s - self._began_s + _TRUST_S) / (self._done_s + _TRUST_S)
        left = f"{in_words(max(0.0, self._total_s - self._done_s) * pace)} left"
        if not self.disable:
            self.update(self._row, completed=self._done_s, description=name, left=left)
            self.refresh()
        elif now_s - self._line_s >= LINE_S:
            self._line_s = now_s
            line = f"{done} of {total} turns measured, about {left}; next: {name}"
            self.console.print(line, soft_wrap=True)
