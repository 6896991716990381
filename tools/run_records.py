"""What the harness noted of each measuring run, joined to what asv stored of it.

A record names some of its samples (`journal.fingerprint`), and belongs to the row that holds them:
not to one of another run, machine or environment, whichever stores were put together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness.journal import fingerprint
from tools.asv_store import LARGEST_WHOLE, LATEST_MS, Entry, StoreError, read_bytes

Record = Mapping[str, Any]
_Key = tuple[str, tuple[str, ...], tuple[float, ...]]
SYSTEM_FIELDS = {
    "os": str, "os_version": str, "kernel_version": str, "cpu_model": str,
    "cpu_cores": int, "memory_bytes": int, "hostname": str,
}  # fmt: skip


class RunRecords:
    """Run records by what they belong to."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self._by_key: dict[_Key, Record] = {}
        for record in records:
            parameters = tuple(record["parameters"])
            self._by_key[record["benchmark"], parameters, tuple(record["samples"])] = record

    def find(self, entry: Entry) -> Record | None:
        """The record of the run that took these samples."""
        if not self._by_key or not entry.samples:
            return None
        try:
            return self._by_key.get(
                (entry.benchmark, entry.parameters, tuple(fingerprint(entry.samples)))
            )
        except TypeError:  # samples that are no numbers
            return None


def read_run_records(store: Path) -> tuple[RunRecords, list[str]]:
    """Read the journal of a store; gives the records, and a message for each bad line."""
    records: list[Record] = []
    problems: list[str] = []
    for where, content in _lines(store / "journal"):
        fault = content if isinstance(content, str) else _fault(content)
        if fault:
            problems.append(f"{where}: {fault}")
        else:
            records.append(content)
    return RunRecords(records), problems


def _lines(folder: Path) -> Iterator[tuple[str, Any]]:
    """All lines of a journal: where each stands, and what it holds or, a text, what is wrong."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".jsonl")
    except FileNotFoundError:
        if folder.is_symlink():
            yield str(folder), "a link to nowhere: run records cannot be read"
        return
    except OSError as error:
        yield str(folder), f"run records cannot be read: {error.strerror}"
        return
    for path in paths:
        try:
            lines = read_bytes(path).split(b"\n")
        except StoreError as error:
            yield str(path), str(error).removeprefix(f"{path}: ")
            continue
        for number, line in enumerate(lines, 1):
            if line:
                try:
                    yield f"{path}:{number}", orjson.loads(line)
                except ValueError as error:
                    yield f"{path}:{number}", f"broken run record: not JSON: {error}"


def _whole(least: int, most: int = LARGEST_WHOLE) -> Callable[[object], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _samples(value: object) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(_number(each) for each in value)


def _system(value: object) -> bool:
    return isinstance(value, dict) and all(
        type(value.get(key)) is kind for key, kind in SYSTEM_FIELDS.items()
    )


_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "benchmark": (lambda value: isinstance(value, str), "a text"),
    "parameters": (_texts, "a list of texts"),
    "samples": (_samples, "the number of samples, and three of them"),
    "sampling": (lambda value: value in ("per_operation", "blocks"), "per_operation or blocks"),
    "number": (_whole(1), "a whole number from 1 on"),
    "processes": (_whole(1), "a whole number from 1 on"),
    "samples_per_process": (_whole(1), "a whole number from 1 on"),
    "clock_cost_ns": (lambda value: value is None or (_number(value) and value >= 0),  # type: ignore[operator]
                      "a time, or null"),
    "warnings": (_texts, "a list of texts"),
    "system_info": (_system, "the machine in the standard JSON's form"),
}  # fmt: skip


def _fault(record: object) -> str | None:
    if not isinstance(record, dict):
        return "broken run record: not an object"
    for key, (fits, wanted) in _FIELDS.items():
        if key not in record or not fits(record[key]):
            return f"broken run record: {key!r} must be {wanted}"
    for key in ("environment", "metadata"):
        if not isinstance(record.get(key, {}), dict):
            return f"broken run record: {key!r} must be an object"
    if not _whole(0, LATEST_MS)(record.get("environment", {}).get("began_at_ms", 0)):
        return "broken run record: 'began_at_ms' must be a time in ms"
    if record["processes"] * record["samples_per_process"] != record["samples"][0]:
        return "broken run record: processes x samples_per_process is not its number of samples"
    return None
