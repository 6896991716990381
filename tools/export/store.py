"""asv's own results in the standard form: of any project, as far as they are durations."""

from __future__ import annotations

import ast
import functools
import itertools
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from asv.benchmarks import Benchmarks
from asv.results import Results

from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.suites import MODULES
from tools.export.asv_files import (
    BENCHMARKS,
    Notes,
    StoreError,
    load_json,
    load_results,
    result_files,
    runs_of,
    starts,
    whole,
)
from tools.export.run_log import RunLog

CATEGORIES = {module: category for category, module in MODULES.items()}
_NANOSECONDS = {
    "seconds": 1e9, "s": 1e9, "milliseconds": 1e6, "ms": 1e6,
    "microseconds": 1e3, "us": 1e3, "nanoseconds": 1.0, "ns": 1.0,
}  # fmt: skip
_LARGEST_WHOLE = 1 << 53  # JSON's readers give no exact whole number beyond it
_MOST_COMBINATIONS = 1_000_000
_UNFIT = re.compile(r"[^A-Za-z0-9_.+-]+")
_ONE_VALUE = "asv kept one value of all that it measured (no --record-samples)"


class _LeftOutError(Exception):
    """Something cannot be exported; the message says why."""


class _Entry(NamedTuple):
    """One benchmark at one combination of parameters, as asv writes both, and what came of it."""

    benchmark: str
    parameters: tuple[str, ...]
    value: Any
    samples: Any
    stats: Mapping[str, Any]


class Store:
    """A store: of asv's own results those of the categories that are wanted.

    It has `files` of one machine each, and the run log: who has read that gets its rows from there.
    """

    def __init__(
        self, folder: Path, is_wanted: Callable[[str], bool], machine: str | None, notes: Notes
    ) -> None:
        self._is_wanted, self._notes = is_wanted, notes
        self.files = dict(result_files(folder, notes))
        self.log = RunLog(folder, {*self.files.values()}, machine, notes)
        self.benchmarks: dict[str, dict[str, Any]] = {}
        self._names: Counter[str] = Counter()
        try:
            described = load_json(str(folder / BENCHMARKS), Benchmarks.api_version)
            self.benchmarks = {key: of for key, of in described.items() if isinstance(of, dict)}
            for key, of in self.benchmarks.items():
                self._names.update(
                    self._name(key, each) for each in _combinations(of.get("params"))
                )
        except StoreError as error:
            notes.problem(folder / BENCHMARKS, error)

    def measured(self, path: Path) -> dict[str, int]:
        """The commits in a file, and when each was measured last, in ms.

        Raises:
            StoreError: the file cannot be read.
        """
        stored = load_results(path, self.files[path])
        return {str(stored.commit_hash): max(starts(stored).values(), default=0)}

    def results(self, path: Path) -> Iterator[Result]:
        """What a result file holds and the run log does not; raises `StoreError`, too."""
        stored = load_results(path, self.files[path])
        where = str(stored.env_name), self.files[path], str(stored.commit_hash)
        runs = runs_of(stored, self.files[path])
        named = [(self._name(each.benchmark, each.parameters), each)
                 for each in self._entries(path, stored)]  # fmt: skip
        count = Counter(name for name, _ in named)
        for name, each in named:
            is_logged = self.log.has((*where, each.benchmark, each.parameters))
            if is_logged or not self._is_wanted(category_of(each.benchmark)):
                continue
            if max(count[name], self._names[name]) > 1:  # nobody else's is asv's full name
                name = f"{each.benchmark}({', '.join(each.parameters)})"
            try:
                version = stored.benchmark_version.get(each.benchmark)
                yield self._result(name, each, version, runs.get(each.benchmark))
            except _LeftOutError as reason:
                self._notes.skipped[str(reason)][name] = None

    def _entries(self, path: Path, stored: Results) -> Iterator[_Entry]:
        for key in stored.get_all_result_keys():
            try:
                axes = stored.get_result_params(key) or []
                rows = zip(
                    _combinations(axes),
                    stored.get_result_value(key, axes),
                    stored.get_result_samples(key, axes),
                    stored.get_result_stats(key, axes),
                    strict=True,
                )
                for combination, value, samples, stats in rows:
                    yield _Entry(key, combination, value, samples, stats or {})
            except (StoreError, TypeError, ValueError) as error:
                self._notes.problem(path, f"the row of {key!r} is broken: {error}")

    def _result(self, name: str, entry: _Entry, version: object, run: Run | None) -> Result:
        """What the entry tells; raises `_LeftOutError` where the form can hold nothing of it."""
        described = self.benchmarks.get(entry.benchmark)
        if described is None:
            raise _LeftOutError(f"not in {BENCHMARKS}")
        if version is not None and version != described.get("version", version):
            raise _LeftOutError("measured by another version of this benchmark")
        if entry.value is None:
            raise _LeftOutError("failed or not run")
        if entry.value != entry.value:
            raise _LeftOutError("n/a: not chosen for this run, or skipped by its setup")
        unit = str(described.get("unit"))
        if (scale := _NANOSECONDS.get(unit)) is None:
            raise _LeftOutError(f"unit {unit!r} is not a duration")
        try:
            samples = Samples(
                durations_ns=_scaled(entry.samples or [entry.value], scale),
                number=whole(entry.stats.get("number")) or 1,
                warnings=() if entry.samples else (_ONE_VALUE,),
            )
        except (TypeError, ValueError, struct.error, OverflowError):
            raise _LeftOutError("values that are no durations") from None
        if run is None:
            raise _LeftOutError("no time of the measurement stored")
        # Of its own samples asv tells; of others their suite would.
        is_told = entry.samples and _asv_times(entry.benchmark)
        return Result(
            name=name,
            category=category_of(entry.benchmark),
            benchmark=entry.benchmark,
            parameters=_parameters(described.get("param_names"), entry.parameters),
            rounds=(samples,),
            run=run,
            processes=whole(described.get("processes")) if is_told else None,
            facts={"asv_stats": entry.stats} if entry.stats else {},
        )

    def _name(self, benchmark: str, parameters: Sequence[str]) -> str:
        """The pretty or the plain name, "asv" where asv itself took the time, the parameters."""
        pretty = self.benchmarks.get(benchmark, {}).get("pretty_name") or benchmark
        stem = benchmark.replace(".", "_") if pretty == benchmark else str(pretty)
        stem += "_asv" if _asv_times(benchmark) else ""
        return "_".join((stem, *map(_name_part, parameters)))


def category_of(benchmark: str) -> str:
    """Its module, or what this suite calls that."""
    module = benchmark.partition(".")[0]
    return CATEGORIES.get(module, module)


def _combinations(axes: Any) -> Iterator[tuple[str, ...]]:
    """Of the parameters; raises `StoreError` where they are none, or far too many."""
    axes = axes or []
    if not isinstance(axes, list) or not all(isinstance(axis, list) for axis in axes):
        raise StoreError("parameters that are no lists")
    if (count := math.prod(map(len, axes))) > _MOST_COMBINATIONS:
        raise StoreError(f"{count} combinations of parameters")
    return (tuple(map(str, each)) for each in itertools.product(*axes))


def _asv_times(benchmark: str) -> bool:
    """Whether asv took the time. Its `type` does not tell: a `track_*` may call itself "time"."""
    return benchmark.rpartition(".")[2].startswith(("time_", "timeraw_"))


def _scaled(samples: Sequence[Any], scale: float) -> Any:
    """Durations in ns, as an array."""
    # In a fourth of numpy's time.
    values = np.frombuffer(struct.pack(f"{len(samples)}d", *samples))
    # JSON's true and false have been packed as 1 and 0.
    if ((values == 0) | (values == 1)).any() and bool in map(type, samples):
        raise TypeError("no numbers")
    return values * scale


def _parameters(names: Any, texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for position, text in enumerate(texts):
        value = _value(text)
        is_named = isinstance(names, list) and position < len(names)
        name = str(names[position]) if is_named else f"param{position + 1}"
        if name == "payload_size_bytes" and not (type(value) is int and value >= 0):
            name = f"param_{name}"  # ours is a size
        found[name] = value
    return found


@functools.lru_cache(maxsize=65536)
def _value(text: str) -> int | float | str | None:
    """The value behind a `repr`; the text itself where it is nothing that JSON holds."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if isinstance(value, int | float):
        return value if abs(value) <= _LARGEST_WHOLE else text
    return value if isinstance(value, str | None) else text


@functools.lru_cache(maxsize=65536)
def _name_part(text: str) -> str:
    return _UNFIT.sub("_", str(_value(text))).strip("_") or "empty"
