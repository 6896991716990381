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
from benchmarks.harness.system_info import SystemInfo
from benchmarks.suites import MODULES
from tools.export.asv_files import BENCHMARKS, Notes, StoreError, load_json, load_results

CATEGORIES = {module: category for category, module in MODULES.items()}
# Rows with a longer pause between them are of different runs: asv keeps the newest of each
# benchmark in one file, whenever it was measured.
PAUSE_MS = 3_600_000
_NANOSECONDS = {
    "seconds": 1e9, "s": 1e9, "milliseconds": 1e6, "ms": 1e6,
    "microseconds": 1e3, "us": 1e3, "nanoseconds": 1.0, "ns": 1.0,
}  # fmt: skip
_LATEST_MS = 4_102_444_800_000  # the year 2100
_LARGEST_WHOLE = 1 << 53  # JSON's readers give no exact whole number beyond it
_MOST_COMBINATIONS = 1_000_000
_UNFIT = re.compile(r"[^A-Za-z0-9_.+-]+")
_STORE_ONLY = (
    "only asv's store tells of this: a sample may stand for many operations, the rounds and the"
    " clock's cost are unknown, and the machine is what asv says of it"
)
_ONE_VALUE = "asv kept one value of all that it measured (no --record-samples)"
_NO_START = "asv kept no start of the measurement: the timestamp is that of the commit"


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
    """A store.

    Args:
        folder: of it.
        is_wanted: whether a category is.
        is_logged: as `RunLog.has`.
        notes: hears what cannot be read or exported.
    """

    def __init__(
        self,
        folder: Path,
        is_wanted: Callable[[str], bool],
        is_logged: Callable[[str, str, str, str, tuple[str, ...]], bool],
        notes: Notes,
    ) -> None:
        self._is_wanted, self._is_logged, self._notes = is_wanted, is_logged, notes
        self.benchmarks: dict[str, dict[str, Any]] = {}
        self._names: Counter[str] = Counter()
        try:
            described = load_json(str(folder / BENCHMARKS), Benchmarks.api_version)
            self.benchmarks = {key: of for key, of in described.items() if isinstance(of, dict)}
            for key, of in self.benchmarks.items():
                for parameters in _combinations(of.get("params")):
                    self._names[self._name(key, parameters)] += 1
        except StoreError as error:
            notes.problem(folder / BENCHMARKS, error)

    def results(self, path: Path, machine: str) -> Iterator[Result]:
        """What a result file holds and the run log does not.

        Raises:
            StoreError: the file cannot be read.
        """
        stored = load_results(path, machine)
        where = machine, str(stored.env_name), str(stored.commit_hash)
        entries = [*self._entries(path, stored)]
        names = [self._name(each.benchmark, each.parameters) for each in entries]
        count = Counter(names)
        runs = _runs(stored, machine)
        for name, each in zip(names, entries, strict=True):
            category = category_of(each.benchmark)
            is_logged = self._is_logged(*where, each.benchmark, each.parameters)
            if is_logged or not self._is_wanted(category):
                continue
            if max(count[name], self._names[name]) > 1:  # nobody else's is asv's full name
                name = f"{each.benchmark}({', '.join(each.parameters)})"
            try:
                made = self._made(each, stored.benchmark_version.get(each.benchmark))
                if each.benchmark not in runs:
                    raise _LeftOutError("no time of the measurement stored")
            except _LeftOutError as reason:
                self._notes.skipped[str(reason)][name] = None
            else:
                yield Result(name=name, category=category, run=runs[each.benchmark], **made)

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

    def _made(self, entry: _Entry, version: object) -> dict[str, Any]:
        """Of a `Result`, what the entry tells.

        Raises:
            _LeftOutError: it tells nothing that the standard form can hold.
        """
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
        number, processes = entry.stats.get("number"), described.get("processes")
        try:
            samples = Samples(
                durations_ns=_scaled(entry.samples or [entry.value], scale),
                number=number if type(number) is int and 0 < number <= _LARGEST_WHOLE else 1,
                warnings=() if entry.samples else (_ONE_VALUE,),
            )
        except (TypeError, ValueError, struct.error, OverflowError):
            raise _LeftOutError("values that are no durations") from None
        is_told = type(processes) is int and processes > 0
        is_told = is_told and entry.samples and _asv_times(entry.benchmark)
        return {
            "benchmark": entry.benchmark,
            "parameters": _parameters(described.get("param_names"), entry.parameters),
            "rounds": (samples,),
            "processes": processes if is_told else None,
            "facts": {"asv_stats": entry.stats} if entry.stats else {},
        }

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


def measured(path: Path, machine: str) -> dict[str, int]:
    """The commit of a result file, and when something of it was measured last, in ms.

    Raises:
        StoreError: the file cannot be read.
    """
    stored = load_results(path, machine)
    starts_ms = [began_ms for began_ms, _ in _starts(stored).values()]
    return {str(stored.commit_hash): max(starts_ms, default=0)}


def _starts(stored: Results) -> dict[str, tuple[int, bool]]:
    """When each benchmark was measured, in ms, and True; or when the commit was made, and False."""
    found = {}
    for key in stored.get_all_result_keys():
        for at, is_start in ((stored.started_at.get(key), True), (stored.date, False)):
            if _is_number(at) and 0 < at <= _LATEST_MS:
                found[key] = int(at), is_start
                break
    return found


def _runs(stored: Results, machine: str) -> dict[str, Run]:
    """The run that each benchmark was measured in: without a long pause after what was before."""
    found: dict[str, Run] = {}
    ended_ms, run = -math.inf, None
    for key, (began_ms, is_start) in sorted(_starts(stored).items(), key=lambda each: each[1]):
        if run is None or began_ms > ended_ms + PAUSE_MS:
            run = _run(stored, machine, began_ms, is_start)
        found[key] = run
        took_s = stored.duration.get(key)
        ended_ms = max(ended_ms, began_ms + 1000 * (took_s if _is_number(took_s) else 0))
    return found


def _run(stored: Results, machine: str, began_ms: int, is_start: bool) -> Run:
    """What asv knows of a run; what it does not is said to be unknown."""
    params = stored.params
    system, _, kernel = str(params.get("os") or "unknown").partition(" ")
    return Run(
        id=f"asv-{stored.commit_hash}-{machine}-{stored.env_name}-{began_ms}",
        started_at_ms=began_ms,
        commit=str(stored.commit_hash),
        machine=SystemInfo(
            os=system,
            os_version="unknown",
            kernel_version=kernel or "unknown",
            cpu_model=str(params.get("cpu") or "unknown"),
            cpu_cores=_whole(params.get("num_cpu")),
            memory_bytes=_whole(params.get("ram")),
            hostname=machine,
        ),
        environment={"asv_environment": str(stored.env_name), "asv_parameters": dict(params)},
        warnings=(_STORE_ONLY,) if is_start else (_STORE_ONLY, _NO_START),
    )


def _combinations(axes: Any) -> Iterator[tuple[str, ...]]:
    """Of the parameters.

    Raises:
        StoreError: they are none, or far too many.
    """
    axes = axes or []
    if not isinstance(axes, list) or not all(isinstance(axis, list) for axis in axes):
        raise StoreError("parameters that are no lists")
    if (count := math.prod(map(len, axes))) > _MOST_COMBINATIONS:
        raise StoreError(f"{count} combinations of parameters")
    return (tuple(map(str, each)) for each in itertools.product(*axes))


def _asv_times(benchmark: str) -> bool:
    """Whether asv took the time. Its `type` does not tell: a `track_*` may call itself "time"."""
    return benchmark.rpartition(".")[2].startswith(("time_", "timeraw_"))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _scaled(samples: Sequence[Any], scale: float) -> Any:
    """Durations in ns, as an array.

    Raises:
        TypeError, struct.error: they are no numbers.
    """
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


def _whole(value: object) -> int | None:
    text = str(value)
    return int(text) or None if text.isdecimal() and len(text) < 16 else None
