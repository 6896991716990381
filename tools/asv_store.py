"""Reading an asv result store, without asv.

A store is a folder with ``benchmarks.json`` (what each benchmark is) and one folder per
machine, holding ``machine.json`` and one result file per commit and environment. In a
result file every benchmark is a row of positional columns, named by ``result_columns`` and
cut short behind its last value. Where a benchmark has parameters, result, samples and
statistics are lists in the order of ``itertools.product`` over ``params``, whose values are
``repr`` strings.
"""

from __future__ import annotations

import ast
import itertools
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

RESULT_FORMAT = 2
BENCHMARKS_FORMAT = 2
_NOT_RESULTS = frozenset({"machine.json", "benchmarks.json"})
_REQUIRED = ("commit_hash", "env_name", "params", "result_columns", "results")
# JSON's readers give no exact whole number beyond it.
LARGEST_WHOLE = 1 << 53
# The year 2100: asv measured nothing later.
LATEST_MS = 4_102_444_800_000
_MOST_COMBINATIONS = 1_000_000
_MARKS = {"NaN": math.nan, "Inf": math.inf, "-Inf": -math.inf}


class StoreError(Exception):
    """A file of the store cannot be used; the message names the file and says why."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What ``benchmarks.json`` says of one benchmark.

    ``asv_times`` says whether asv took the time itself (``time_*``). Its ``type`` does not tell: a
    ``track_*`` that wants human units calls itself "time", too.
    """

    name: str
    unit: str
    stem: str
    param_names: tuple[str, ...]
    version: str | None
    processes: int | None
    asv_times: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One benchmark at one combination of parameters, as measured.

    ``samples`` is what the file holds; its values are not checked here. ``state`` is
    ``measured``, ``skipped`` (its setup said n/a) or ``failed`` (also: not run).
    """

    benchmark: str
    parameters: tuple[str, ...]
    state: str
    samples: list[Any] | None
    number: int
    started_at_ms: int | None
    duration_s: float
    version: str | None


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One run: a commit in one environment on one machine."""

    path: Path
    commit: str
    environment: str
    machine: str
    machine_params: Mapping[str, Any]
    requirements: Mapping[str, Any]
    python: str
    columns: tuple[str, ...]
    rows: Mapping[str, Any]

    def started_at_ms(self) -> int:
        """The latest start of a benchmark in this file; 0 where none is recorded."""
        at = _column_index(self.columns, "started_at")
        latest = 0
        for row in self.rows.values():
            if isinstance(row, list) and at is not None and at < len(row):
                value = row[at]
                if isinstance(value, int | float) and 0 <= value <= LATEST_MS:
                    latest = max(latest, int(value))
        return latest

    def entries(self, problems: list[str]) -> Iterator[Entry]:
        """Every combination of every benchmark, in the order of the file.

        A row that does not fit itself is left out and named in ``problems``.
        """
        for name, row in self.rows.items():
            if not isinstance(row, list):
                problems.append(f"{self.path}: the row of {name!r} is not a list")
                continue
            try:
                # A row is cut short behind its last value, so the lengths differ.
                columns = dict(zip(self.columns, row, strict=False))
                entries = list(_entries_of_row(self.path, name, columns))
            except StoreError as error:
                problems.append(str(error))
                continue
            yield from entries


@dataclass(frozen=True, slots=True)
class StoreListing:
    """The result files of a store, and what in it is not one."""

    files: tuple[tuple[Path, str], ...]
    problems: tuple[str, ...]


def parse_json(data: bytes) -> Any:
    """Parse JSON as asv writes it, with bare ``NaN`` and ``Infinity``.

    The fast parser refuses those words, so they are put in quotes and it tries again. A
    word that stood inside a string breaks that string; the slow parser then decides.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    quoted = (
        data.replace(b"-Infinity", b'"-Inf"')
        .replace(b"Infinity", b'"Inf"')
        .replace(b"NaN", b'"NaN"')
    )
    if quoted != data:
        try:
            return orjson.loads(quoted)
        except orjson.JSONDecodeError:
            pass
    found = json.loads(data)
    # The slow parser lets half a character pass ("\\ud800"), which nobody can write or print.
    json.dumps(found, ensure_ascii=False).encode()
    return found


def as_number(value: object) -> float | None:
    """A number of a result file, also one that JSON cannot write; None for anything else."""
    if isinstance(value, str):
        return _MARKS.get(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else math.inf


def read_bytes(path: Path) -> bytes:
    """The content of a regular file, or StoreError with its name and the reason."""
    try:
        # Not to wait for the other end of a pipe that somebody has put there.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise StoreError(f"{path}: not a regular file")
            return file.read()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror or error}") from error


def load_json(path: Path) -> Any:
    """Parse a file, or raise StoreError with its name and the reason."""
    try:
        return parse_json(read_bytes(path))
    except RecursionError as error:
        raise StoreError(f"{path}: nested too deeply to be a result file") from error
    except ValueError as error:
        raise StoreError(f"{path}: not valid JSON, perhaps cut short: {error}") from error


def read_benchmarks(store: Path) -> dict[str, Benchmark]:
    """Read ``benchmarks.json`` of a store."""
    path = store / "benchmarks.json"
    raw = load_json(path)
    if not isinstance(raw, dict) or raw.get("version") != BENCHMARKS_FORMAT:
        raise StoreError(f"{path}: not an asv benchmark list of format {BENCHMARKS_FORMAT}")
    return {
        name: _benchmark(name, value)
        for name, value in raw.items()
        if name != "version" and isinstance(value, dict)
    }


def list_store(store: Path) -> StoreListing:
    """Find the result files under a store, each with the machine its folder is for."""
    files: list[tuple[Path, str]] = []
    problems: list[str] = []
    seen: set[tuple[int, int]] = set()

    def cannot(error: OSError) -> None:
        problems.append(f"{error.filename}: cannot be read: {error.strerror}")

    for folder, subfolders, names in os.walk(store, onerror=cannot, followlinks=True):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:  # a link to where we have been
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found = sorted(
            name
            for name in names
            if name.endswith(".json") and name not in _NOT_RESULTS and not name.startswith(".")
        )
        here = Path(folder)
        card = here / "machine.json"
        if here == store:
            problems += [f"{here / name}: foreign: not in a machine's folder" for name in found]
            continue
        if not card.is_file():
            problems += [f"{here / name}: foreign: no machine.json beside it" for name in found]
            continue
        machine = here.name
        try:
            raw = load_json(card)
            if not isinstance(raw, dict) or not isinstance(raw.get("machine"), str):
                raise StoreError(f"{card}: foreign: names no machine")
            machine = raw["machine"]
        except StoreError as error:
            problems.append(str(error))
        files += [(here / name, machine) for name in found]
    return StoreListing(tuple(files), tuple(problems))


def read_result(path: Path, machine: str) -> ResultFile:
    """Read one result file of the named machine."""
    raw = load_json(path)
    if not isinstance(raw, dict) or not all(key in raw for key in _REQUIRED):
        raise StoreError(f"{path}: foreign: not an asv result file")
    version = raw.get("version")
    if version != RESULT_FORMAT:
        hint = "run `asv update`" if version == 1 else f"this tool reads {RESULT_FORMAT}"
        raise StoreError(f"{path}: result format {version!r}: {hint}")
    params, columns, rows = raw["params"], raw["result_columns"], raw["results"]
    commit = raw["commit_hash"]
    if not isinstance(params, dict) or not isinstance(rows, dict) or not isinstance(commit, str):
        raise StoreError(f"{path}: foreign: params, results or commit_hash of the wrong type")
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise StoreError(f"{path}: foreign: result_columns is not a list of names")
    if params.get("machine") != machine:
        raise StoreError(f"{path}: foreign: of machine {params.get('machine')!r}, not {machine!r}")
    requirements = raw.get("requirements")
    return ResultFile(
        path=path,
        commit=commit,
        environment=str(raw["env_name"]),
        machine=machine,
        machine_params=params,
        requirements=requirements if isinstance(requirements, dict) else {},
        python=str(raw.get("python") or ""),
        columns=tuple(columns),
        rows=rows,
    )


def parameter_value(text: str) -> int | float | str | bool | None:
    """The value behind a ``repr`` string; the string itself where it is no literal."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value if isinstance(value, int | float | str | bool | None) else text


def _benchmark(name: str, raw: Mapping[str, Any]) -> Benchmark:
    pretty = raw.get("pretty_name")
    plain = not isinstance(pretty, str) or not pretty or pretty == name
    processes, names = raw.get("processes"), raw.get("param_names")
    return Benchmark(
        name=name,
        unit=str(raw.get("unit", "")),
        stem=name.replace(".", "_") if plain else str(pretty),
        param_names=tuple(str(item) for item in names) if isinstance(names, list) else (),
        version=None if raw.get("version") is None else str(raw["version"]),
        processes=processes if isinstance(processes, int) and processes > 0 else None,
        asv_times=name.rpartition(".")[2].startswith(("time_", "timeraw_")),
    )


def _column_index(columns: tuple[str, ...], name: str) -> int | None:
    return columns.index(name) if name in columns else None


def _entries_of_row(path: Path, name: str, row: Mapping[str, Any]) -> Iterator[Entry]:
    axes = row.get("params") or []
    if not isinstance(axes, list) or not all(isinstance(axis, list) for axis in axes):
        raise StoreError(f"{path}: the parameters of {name!r} are not lists")
    count = math.prod(len(axis) for axis in axes)
    if count > _MOST_COMBINATIONS:
        raise StoreError(f"{path}: {name!r} has {count} combinations of parameters")
    results = _spread(path, name, row, "result", count)
    samples = _spread(path, name, row, "samples", count)
    numbers = _spread(path, name, row, "stats_number", count)
    started = as_number(row.get("started_at"))
    started = -1.0 if started is None else started
    duration = as_number(row.get("duration"))
    version = row.get("version")
    for position, combination in enumerate(itertools.product(*axes)):
        result, taken, number = results[position], samples[position], numbers[position]
        state = "measured"
        if result is None:
            state = "failed"
        elif isinstance(result, str | float) and math.isnan(as_number(result) or 0.0):
            state = "skipped"
        yield Entry(
            benchmark=name,
            parameters=tuple(str(part) for part in combination),
            state=state,
            samples=taken if isinstance(taken, list) and taken else None,
            number=number if type(number) is int and 0 < number <= LARGEST_WHOLE else 1,
            started_at_ms=int(started) if 0 <= started <= LATEST_MS else None,
            duration_s=duration if duration is not None and math.isfinite(duration) else 0.0,
            version=None if version is None else str(version),
        )


def _spread(path: Path, name: str, row: Mapping[str, Any], column: str, count: int) -> list[Any]:
    values = row.get(column)
    if values is None:
        return [None] * count
    if not isinstance(values, list) or len(values) != count:
        raise StoreError(f"{path}: {column!r} of {name!r} does not fit its {count} parameters")
    return values
