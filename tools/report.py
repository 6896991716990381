"""The standard JSON: one document per category of one measuring run.

A document is built from a result file and the run records, checked against the published
schema, and written so that a reader sees either the whole file or none.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

from tools.asv_store import Benchmark, Entry, ResultFile, parameter_value
from tools.run_records import SYSTEM_FIELDS, Record, RunRecords
from tools.summary import Request, Summary, summarise

SUITE = "aetherless-benchmarks"
VERSION = "0.1.0"
CATEGORIES: Mapping[str, str] = {
    "ring_buffer": "ring_buffer",
    "ipc": "ipc",
    "cold_start": "cold_start",
    "e2e_latency": "e2e",
}
SCHEMA_PATH = (
    Path(__file__).resolve().parents[1] / "data" / "schema" / ("benchmark_result.schema.json")
)
_NANOSECONDS = {"seconds": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0, "nanoseconds": 1.0}
# Rows with a longer pause between them were measured by different runs.
PAUSE_MS = 3_600_000
_OWN_KEYS = frozenset({
    "benchmark", "sampling", "samples", "number", "processes", "samples_per_process",
    "clock_cost_ns", "commit", "machine", "asv_environment", "python", "requirements",
    "warnings", "cpu", "environment", "started_at",
})  # fmt: skip
_UNFIT = re.compile(r"[^A-Za-z0-9_.+-]+")
_NO_RECORD = (
    "no run record: processes, clock cost and sampling are what the store alone tells, "
    "system_info is asv's description of the machine"
)

Document = dict[str, Any]
_libc = ctypes.CDLL(None, use_errno=True)


class ReportError(Exception):
    """A document cannot be built or written; the message says why."""


@dataclass(slots=True)
class Extract:
    """What one result file gave: documents with their category, and what was left out and why."""

    documents: list[tuple[str, Document]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A valid document as bytes; ``run`` tells the measuring run from others."""

    category: str
    run: tuple[str, ...]
    content: bytes


@dataclass(slots=True)
class _Measured:
    name: str
    category: str
    benchmark: Benchmark
    entry: Entry
    record: Record | None
    sampling: str
    number: int
    request: Request


_Item = tuple[_Measured, Summary]


def build_documents(
    run: ResultFile,
    benchmarks: Mapping[str, Benchmark],
    records: RunRecords,
    categories: Iterable[str] | None = None,
) -> Extract:
    """Turn one result file into a document for each of its categories."""
    extract = Extract()
    wanted = set(CATEGORIES.values() if categories is None else categories)
    measured: list[_Measured] = []
    taken: dict[str, str] = {}
    for entry in run.entries(extract.problems):
        benchmark = benchmarks.get(entry.benchmark)
        category = CATEGORIES.get(entry.benchmark.partition(".")[0])
        if category is not None and category not in wanted:
            continue
        name = result_name(benchmark, entry)
        reason = _why_not(benchmark, category, entry)
        if reason is None and name in taken:
            reason = f"{taken[name]} already has this name"
        if reason is not None or benchmark is None or category is None:
            extract.skipped.append((name, reason or "unknown benchmark"))
            continue
        taken[name] = entry.benchmark
        record = records.find(entry)
        if record is not None and entry.number > 1 and record["number"] != entry.number:
            extract.problems.append(
                f"{run.path}: {name}: {entry.number} operations a sample, its run record says"
                f" {record['number']}; left out"
            )
            continue
        measured.append(_prepare(name, category, benchmark, entry, record))
    by_category: dict[str, list[tuple[_Measured, Summary]]] = {}
    for item, answer in zip(measured, summarise([m.request for m in measured]), strict=True):
        if isinstance(answer, Summary):
            by_category.setdefault(item.category, []).append((item, answer))
        else:
            extract.skipped.append((item.name, answer))
    for category, items in by_category.items():
        for system_info, together in _runs(run, items):
            extract.documents.append((category, _document_of(run, system_info, together)))
    return extract


def build_document(
    timestamp: str, system_info: Mapping[str, Any], results: Sequence[Mapping[str, Any]]
) -> Document:
    """Put finished results into the standard form."""
    return {
        "benchmark_suite": SUITE,
        "version": VERSION,
        "timestamp": timestamp,
        "system_info": dict(system_info),
        "results": list(results),
    }


def timestamp_of(milliseconds: int) -> str:
    """RFC 3339 in UTC, with Z; milliseconds only where there are any."""
    seconds, rest = divmod(milliseconds, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).isoformat()[: len("2025-12-27T12:34:56")]
    return f"{moment}.{rest:03d}Z" if rest else f"{moment}Z"


def result_name(benchmark: Benchmark | None, entry: Entry) -> str:
    """The exported name: the stem, ``_asv`` for asv's own timing, and the parameters."""
    stem = entry.benchmark.replace(".", "_") if benchmark is None else benchmark.stem
    if benchmark is not None and benchmark.asv_times:
        stem += "_asv"
    return "_".join((stem, *(_name_part(text) for text in entry.parameters)))


def validate(document: object) -> None:
    """Check a document against the published schema."""
    try:
        _validator().validate(document)
    except jsonschema_rs.ValidationError as error:
        where = "".join(f"[{step!r}]" for step in error.instance_path)
        raise ReportError(f"does not fit {SCHEMA_PATH.name}: {where} {error.message}") from error


def encode(category: str, document: Document) -> Encoded:
    """Validate a document and give it in the form of its file."""
    validate(document)
    content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Encoded(category, _identity(document), content)


def write_documents(folder: Path, contents: Sequence[Encoded]) -> list[tuple[Path, str]]:
    """Write each document as ``<category>_<timestamp>.json``.

    Gives for each the path and ``written``, ``unchanged`` or ``updated``: a newer export of
    the same run replaces the older, another run of the same second gets a name of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    planned: dict[Path, bytes] = {}
    outcome: list[tuple[Path, str]] = []
    for encoded in contents:
        content = encoded.content
        for path in _candidates(folder, encoded):
            there = planned.get(path)
            if there is None and path.exists():
                there = path.read_bytes()
            if there is None or there == content or _same_run(there, encoded.run):
                state = "written" if there is None else "updated"
                if there == content:
                    state = "unchanged"
                else:
                    planned[path] = content
                outcome.append((path, state))
                break
    write_atomically(planned)
    return outcome


def write_atomically(contents: Mapping[Path, bytes]) -> None:
    """Write files so that each is either whole, with its old content, or absent.

    All are flushed to the disk together before the first is renamed.
    """
    staged: list[tuple[int, str, Path]] = []
    try:
        for path, content in contents.items():
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            staged.append((descriptor, name, path))
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, 0o644)
        _flush([descriptor for descriptor, _, _ in staged])
        for _, name, path in staged:
            os.replace(name, path)
    finally:
        for descriptor, name, _ in staged:
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)


def _flush(descriptors: Sequence[int]) -> None:
    """Has files of one file system on the disk."""
    if len(descriptors) == 1:
        os.fsync(descriptors[0])
    # The whole file system takes a quarter of the time of sixty-four files one by one.
    elif descriptors and _libc.syncfs(descriptors[0]):
        raise OSError(ctypes.get_errno(), "cannot be flushed to the disk")


@lru_cache(maxsize=1)
def _validator() -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(orjson.loads(SCHEMA_PATH.read_bytes()))


@lru_cache(maxsize=65536)
def _name_part(text: str) -> str:
    value = parameter_value(text)
    return _UNFIT.sub("_", str(value)).strip("_") or "empty"


@lru_cache(maxsize=65536)
def _value(text: str) -> int | float | str | bool | None:
    return parameter_value(text)


def _why_not(benchmark: Benchmark | None, category: str | None, entry: Entry) -> str | None:
    if category is None:
        return f"no category for {entry.benchmark.partition('.')[0]!r}"
    if benchmark is None:
        return "not in benchmarks.json"
    if entry.version is not None and benchmark.version not in (None, entry.version):
        return "measured by another version of this benchmark"
    if entry.state == "skipped":
        return "n/a: not chosen for this run, or skipped by its setup"
    if entry.state == "failed":
        return "failed or not run"
    if benchmark.unit not in _NANOSECONDS:
        return f"unit {benchmark.unit!r} is not a duration"
    if entry.samples is None:
        return "stored without samples (asv run --record-samples keeps them)"
    if entry.started_at_ms is None:
        return "no start of the measurement stored"
    return None


def _prepare(
    name: str, category: str, benchmark: Benchmark, entry: Entry, record: Record | None
) -> _Measured:
    number = entry.number if record is None else record["number"]
    blocks = number > 1 or (record is not None and record["sampling"] == "blocks")
    request = Request(entry.samples or (), _NANOSECONDS[benchmark.unit], not blocks)
    sampling = "block_means" if blocks else "per_operation"
    return _Measured(name, category, benchmark, entry, record, sampling, number, request)


def _runs(run: ResultFile, items: Sequence[_Item]) -> list[tuple[dict[str, Any], list[_Item]]]:
    """What was measured together: on one machine, with no long pause in between.

    asv keeps the newest row of each benchmark in one file, whenever and wherever it was taken.
    """
    runs: list[tuple[dict[str, Any], list[_Item]]] = []
    for together in _without_pauses(items):
        noted = [found for item, _ in together if (found := _noted_system(item.record))]
        # What has no record was measured beside the rest, if all the rest is from one machine.
        alike = bool(noted) and all(found == noted[0] for found in noted)
        otherwise = noted[0] if alike else asv_system_info(run)
        by_machine: dict[tuple[Any, ...], tuple[dict[str, Any], list[_Item]]] = {}
        for item in together:
            info = _noted_system(item[0].record) or otherwise
            by_machine.setdefault(tuple(info.values()), (info, []))[1].append(item)
        runs += by_machine.values()
    return runs


def _without_pauses(items: Sequence[_Item]) -> list[list[_Item]]:
    groups: list[list[_Item]] = []
    ended_ms = -math.inf
    for item in sorted(items, key=_started_ms):
        if _started_ms(item) > ended_ms + PAUSE_MS:
            groups.append([])
        groups[-1].append(item)
        # By asv's start, since its duration is that of the hand-over.
        handed_over_ms = item[0].entry.started_at_ms or 0
        ended_ms = max(ended_ms, handed_over_ms + item[0].entry.duration_s * 1000)
    return groups


def _started_ms(item: _Item) -> int:
    """When the measurement began: by its record, since asv knows only when it was handed over."""
    measured = item[0]
    noted = {} if measured.record is None else measured.record.get("environment", {})
    return int(noted.get("began_at_ms", measured.entry.started_at_ms or 0))


def _document_of(run: ResultFile, system_info: dict[str, Any], items: Sequence[_Item]) -> Document:
    results = [_result(run, item) for item in items]
    return build_document(timestamp_of(min(map(_started_ms, items))), system_info, results)


def _noted_system(record: Record | None) -> dict[str, Any] | None:
    return None if record is None else {key: record["system_info"][key] for key in SYSTEM_FIELDS}


def asv_system_info(run: ResultFile) -> dict[str, Any]:
    """The machine as asv describes it; what asv does not know is said to be unknown."""
    params = run.machine_params
    system, _, kernel = str(params.get("os") or "unknown").partition(" ")
    return {
        "os": system,
        "os_version": "unknown",
        "kernel_version": kernel or "unknown",
        "cpu_model": str(params.get("cpu") or "unknown"),
        "cpu_cores": _whole(params.get("num_cpu")),
        "memory_bytes": _whole(params.get("ram")),
        "hostname": run.machine,
    }


def _whole(value: object) -> int | None:
    try:
        number = int(str(value))
    except ValueError:
        return None
    return number if number > 0 else None


def _result(run: ResultFile, measured: _Item) -> dict[str, Any]:
    item, summary = measured
    samples = len(item.request.samples)
    iterations = samples * item.number
    record: Record = item.record or {}
    warnings = list(record.get("warnings", ()))
    if item.record is None:
        warnings.append(_NO_RECORD)
    metadata: dict[str, Any] = {}
    names = item.benchmark.param_names
    for position, text in enumerate(item.entry.parameters):
        key = names[position] if position < len(names) else f"param{position + 1}"
        value = _value(text)
        sized = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if key in _OWN_KEYS or (key == "payload_size_bytes" and not sized):
            key = f"param_{key}"
        metadata[key] = value
    processes = record.get("processes")
    if item.record is None and item.benchmark.asv_times:
        processes = item.benchmark.processes
    metadata |= {
        "benchmark": item.entry.benchmark,
        "sampling": item.sampling,
        "samples": samples,
        "number": item.number,
        "processes": processes,
        "samples_per_process": record.get("samples_per_process"),
        "clock_cost_ns": record.get("clock_cost_ns"),
        "commit": run.commit,
        "machine": run.machine,
        "asv_environment": run.environment,
        "python": run.python,
        "requirements": dict(run.requirements),
        "warnings": warnings,
    }
    for key in ("cpu", "environment"):
        if key in record:
            metadata[key] = record[key]
    metadata["started_at"] = timestamp_of(_started_ms(measured))
    metadata = {**record.get("metadata", {}), **metadata}  # what only this benchmark has to say
    result: dict[str, Any] = {
        "name": item.name,
        "category": item.category,
        "iterations": iterations,
        "metrics": summary.metrics,
    }
    size = metadata.get("payload_size_bytes")
    stem = item.benchmark.stem
    # asv's own times are of a call, and it does not know how many messages one moves.
    counted = not item.benchmark.asv_times and (stem.endswith("_many") or "oneway" in stem)
    if isinstance(size, int) and counted:
        duration_ns = summary.total_ns * item.number
        if duration_ns > 0:
            result["throughput"] = _throughput(iterations, size, duration_ns)
    result["metadata"] = metadata
    return result


def _throughput(messages: int, size_bytes: int, duration_ns: float) -> dict[str, float]:
    total_bytes = messages * size_bytes
    return {
        "messages_per_sec": messages * 1e9 / duration_ns,
        "bytes_per_sec": total_bytes * 1e9 / duration_ns,
        "total_messages": messages,
        "total_bytes": total_bytes,
        "duration_ns": duration_ns,
    }


def _candidates(folder: Path, encoded: Encoded) -> Iterable[Path]:
    timestamp, commit, *_ = encoded.run
    stem = f"{encoded.category}_" + re.sub(r"[-:]|\.\d+", "", timestamp)
    yield folder / f"{stem}.json"
    stem = f"{stem}_{commit[:8]}" if commit else stem
    yield folder / f"{stem}.json"
    count = 2
    while True:
        yield folder / f"{stem}_{count}.json"
        count += 1


def _identity(document: Document) -> tuple[str, ...]:
    first = document["results"][0]["metadata"]
    return (
        str(document["timestamp"]),
        str(first.get("commit", "")),
        str(first.get("machine", "")),
        str(first.get("asv_environment", "")),
        orjson.dumps(document["system_info"], option=orjson.OPT_SORT_KEYS).decode(),
    )


def _same_run(content: bytes, run: tuple[str, ...]) -> bool:
    try:
        return _identity(orjson.loads(content)) == run
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
