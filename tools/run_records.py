"""What the harness noted of each measuring run, joined to what asv stored of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import journal
from tools.asv_store import Entry

Record = Mapping[str, Any]

# asv and the benchmark read the same clock, but asv rounds; a record is also written
# after the last sample, so it may lie a little behind the duration asv gives.
EARLY_MS = 2_000
LATE_MS = 60_000
SHORTEST_COMMIT = 7


class RunRecords:
    """Run records by benchmark and parameters."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._by_key: dict[tuple[str, tuple[str, ...]], list[Record]] = defaultdict(list)
        for record in records:
            key = (str(record["benchmark"]), tuple(str(part) for part in record["parameters"]))
            self._by_key[key].append(record)

    def find(self, entry: Entry, commit: str) -> Record | None:
        """The record of the run that took these samples, nearest behind its start."""
        if entry.started_at_ms is None:
            return None
        earliest = entry.started_at_ms - EARLY_MS
        latest = entry.started_at_ms + entry.duration_s * 1000 + LATE_MS
        fitting = [
            record
            for record in self._by_key.get((entry.benchmark, entry.parameters), ())
            if earliest <= record["recorded_at_ms"] <= latest
            and _same_commit(str(record.get("commit") or ""), commit)
        ]
        started = entry.started_at_ms
        return min(
            fitting,
            key=lambda record: (
                record["recorded_at_ms"] < started,
                abs(record["recorded_at_ms"] - started),
            ),
            default=None,
        )


def read_run_records(store: Path) -> tuple[RunRecords, list[str]]:
    """Read the journal of a store; gives the records, and a message for each bad line."""
    folder = store / "journal"
    if not folder.is_dir():
        return RunRecords(), []
    records: list[Record] = []
    problems: list[str] = []
    for path, line, content in journal.read(folder):
        where = f"{path}:{line}"
        if isinstance(content, str):
            problems.append(f"{where}: broken run record: {content}")
            continue
        fault = _fault(content)
        if fault:
            problems.append(f"{where}: broken run record: {fault}")
        else:
            records.append(content)
    return RunRecords(records), problems


def _same_commit(noted: str, stored: str) -> bool:
    shorter = min(len(noted), len(stored))
    return shorter >= SHORTEST_COMMIT and noted[:shorter] == stored[:shorter]


def _fault(record: object) -> str | None:
    if not isinstance(record, Mapping):
        return "not an object"
    kinds: Sequence[tuple[str, type | tuple[type, ...]]] = (
        ("benchmark", str),
        ("parameters", list),
        ("recorded_at_ms", (int, float)),
    )
    for key, kind in kinds:
        if not isinstance(record.get(key), kind):
            return f"{key!r} is missing or of the wrong type"
    if record.get("sampling") not in ("per_operation", "blocks"):
        return f"unknown sampling {record.get('sampling')!r}"
    return None
