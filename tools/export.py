"""Turn an asv result store into the standard JSON.

``python -m tools.export [--store DIR] [--output DIR] [--commit HASH] [--machine NAME]
[--category C ...] [--all-history]``

Exit status: 0 when all of the store could be read, 1 when a file of it was broken or
foreign (named on stderr; the rest is exported), 2 for bad arguments.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.harness.asv_config import ConfigError, results_folder
from tools import report
from tools.asv_store import (
    Benchmark,
    StoreError,
    list_store,
    read_benchmarks,
    read_result,
)
from tools.command import Parser
from tools.run_records import RunRecords, read_run_records

CONFIG = Path("asv.conf.json")
# Below this many bytes of results, starting worker processes costs more than it saves.
PARALLEL_FROM_BYTES = 16 << 20
WRITE_TOGETHER = 64
_Found = tuple[Path, str]
_Answer = TypeVar("_Answer")


class UsageError(Exception):
    """An argument that cannot be served; the message says what, where and how to mend it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which runs and categories to export."""

    commit: str | None = None
    machine: str | None = None
    categories: tuple[str, ...] | None = None
    all_history: bool = False


@dataclass(frozen=True, slots=True)
class _Header:
    commit: str
    started_at_ms: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    documents: tuple[report.Encoded, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    benchmarks: dict[str, Benchmark]
    records: RunRecords
    categories: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did."""

    written: tuple[tuple[Path, str], ...]
    skipped: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]


def export_store(
    store: Path, output: Path, selection: Selection, workers: int | None = None
) -> Exported:
    """Export a store. Raises UsageError where the selection fits nothing in it."""
    if not store.is_dir():
        raise UsageError(f"--store {store}: no such folder; run `asv run` first or name another")
    if not (store / "benchmarks.json").is_file():
        raise UsageError(
            f"--store {store}: not an asv result store (no benchmarks.json); "
            "run `asv run` or name another folder"
        )
    if output.exists() and not output.is_dir():
        raise UsageError(f"--output {output}: not a folder; name another")
    listing = list_store(store)
    problems = list(listing.problems)
    found = _of_machine(store, listing.files, selection.machine)
    if not found:
        unread = "".join(f"; {problem}" for problem in problems)
        raise UsageError(
            f"--store {store}: holds no results; run `asv run --record-samples`{unread}"
        )
    benchmarks: dict[str, Benchmark] = {}
    try:
        benchmarks = read_benchmarks(store)
    except StoreError as error:
        problems.append(str(error))
    records, broken = read_run_records(store)
    problems += broken
    if not selection.all_history or selection.commit is not None:
        found, broken = _choose(found, selection.commit, workers)
        problems += broken
    work = partial(_extract, _Job(benchmarks, records, selection.categories))
    written: list[tuple[Path, str]] = []
    skipped: list[tuple[str, str]] = []
    waiting: list[report.Encoded] = []
    for outcome in _each(work, found, workers):
        waiting += outcome.documents
        skipped += outcome.skipped
        problems += outcome.problems
        if len(waiting) >= WRITE_TOGETHER:
            written += report.write_documents(output, waiting)
            waiting = []
    if waiting:
        written += report.write_documents(output, waiting)
    return Exported(tuple(written), tuple(skipped), tuple(problems))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    try:
        store = _default_store() if options.store is None else options.store
        selection = Selection(
            commit=options.commit,
            machine=options.machine,
            categories=None if options.category is None else tuple(options.category),
            all_history=options.all_history,
        )
        done = export_store(store, options.output, selection)
    except UsageError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    except (OSError, report.ReportError) as error:
        print(f"export: {error}; nothing was left half-written", file=sys.stderr)
        return 1
    for path, state in done.written:
        print(f"{state}: {path}")
    by_reason: dict[str, list[str]] = {}
    for name, reason in done.skipped:
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        print(f"skipped: {reason}: {', '.join(names)}")
    if options.table and done.written:
        from tools.table import print_table  # takes as long to import as a small store to export

        print_table(path for path, _ in done.written)
    if not done.written:
        print("export: nothing to export in what was chosen", file=sys.stderr)
    for problem in done.problems:
        print(f"export: {problem}", file=sys.stderr)
    return 1 if done.problems else 0


def _parser() -> argparse.ArgumentParser:
    known = sorted(set(report.CATEGORIES.values()))
    parser = Parser(
        prog="python -m tools.export",
        description="Turn an asv result store into the standard JSON.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="asv results folder (default: asv.conf.json's)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("data"), metavar="DIR", help="default: data"
    )
    parser.add_argument(
        "--commit", type=_commit, metavar="HASH", help="a commit, or how its hash begins"
    )
    parser.add_argument("--machine", metavar="NAME", help="results of this machine only")
    parser.add_argument(
        "--category", nargs="+", action="extend", choices=known, metavar="C",
        help=f"one or more of {', '.join(known)} (default: all)",
    )  # fmt: skip
    parser.add_argument("--table", action="store_true", help="print what was exported as a table")
    parser.add_argument(
        "--all-history",
        action="store_true",
        help="every measured commit (default: the one measured last)",
    )
    return parser


def _commit(text: str) -> str:
    lowered = text.lower()
    if not 4 <= len(text) <= 40 or any(letter not in "0123456789abcdef" for letter in lowered):
        raise argparse.ArgumentTypeError(f"{text!r} is no commit hash of 4 to 40 hex digits")
    return lowered


def _default_store() -> Path:
    if not CONFIG.is_file():
        raise UsageError(f"no {CONFIG} in {Path.cwd()}; give --store or run from the repository")
    try:
        return results_folder(CONFIG)
    except ConfigError as error:
        raise UsageError(f"{error}; mend it or give --store") from error


def _of_machine(store: Path, files: Sequence[_Found], machine: str | None) -> list[_Found]:
    if machine is None:
        return list(files)
    chosen = [item for item in files if item[1] == machine]
    if not chosen:
        known = ", ".join(sorted({name for _, name in files})) or "none"
        raise UsageError(f"--machine {machine}: no results of it in {store}; known: {known}")
    return chosen


def _choose(
    found: Sequence[_Found], prefix: str | None, workers: int | None
) -> tuple[list[_Found], list[str]]:
    """The files of the commit asked for, or of the one measured last.

    Files that cannot be read are left out and named.
    """
    headers = list(zip(found, _each(_header, found, workers), strict=True))
    problems = [header.problem for _, header in headers if header.problem is not None]
    sound = [(item, header) for item, header in headers if header.problem is None]
    if prefix is None:
        newest = max((header for _, header in sound), key=_start, default=None)
        commit = newest.commit if newest is not None else None
    else:
        fitting = sorted({h.commit for _, h in sound if h.commit.startswith(prefix)})
        if not fitting:
            latest = {h.commit[:8]: None for _, h in sorted(sound, key=lambda s: -_start(s[1]))}
            known = ", ".join(list(latest)[:8]) or "none"
            unread = "".join(f"; {problem}" for problem in problems)
            raise UsageError(f"--commit {prefix}: no results of it; measured last: {known}{unread}")
        if len(fitting) > 1:
            some = ", ".join(text[:12] for text in fitting[:8])
            raise UsageError(f"--commit {prefix}: fits several ({some}); give more digits")
        commit = fitting[0]
    return [item for item, header in sound if header.commit == commit], problems


def _start(header: _Header) -> int:
    return header.started_at_ms


def _header(found: _Found) -> _Header:
    try:
        run = read_result(*found)
    except StoreError as error:
        return _Header("", 0, str(error))
    return _Header(run.commit, run.started_at_ms())


def _extract(job: _Job, found: _Found) -> _Outcome:
    try:
        run = read_result(*found)
        extract = report.build_documents(run, job.benchmarks, job.records, job.categories)
    except StoreError as error:
        return _Outcome(problems=(str(error),))
    documents: list[report.Encoded] = []
    for category, document in extract.documents:
        try:
            documents.append(report.encode(category, document))
        except (report.ReportError, TypeError) as error:
            extract.problems.append(f"{run.path}: {category}: {error}")
    return _Outcome(tuple(documents), tuple(extract.skipped), tuple(extract.problems))


def _each(
    work: Callable[[_Found], _Answer], found: Sequence[_Found], workers: int | None
) -> Iterator[_Answer]:
    """``map(work, found)``, over worker processes where there is enough of it."""
    count = _workers(found) if workers is None else workers
    if count < 2:
        yield from map(work, found)
        return
    chunk = max(1, min(16, len(found) // (4 * count)))
    global _work
    _work = work
    try:
        # fork hands the benchmarks and run records over without pickling them.
        context = multiprocessing.get_context("fork")
        # No cycles are made there, and the collector would walk every sample list.
        with ProcessPoolExecutor(count, mp_context=context, initializer=gc.disable) as pool:
            answers: Iterable[_Answer] = pool.map(_do_work, found, chunksize=chunk)
            yield from answers
    finally:
        _work = None


_work: Callable[[_Found], object] | None = None


def _do_work(found: _Found) -> _Answer:  # type: ignore[type-var]
    assert _work is not None
    return _work(found)  # type: ignore[return-value]


def _workers(found: Sequence[_Found]) -> int:
    total = 0
    for path, _ in found:
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return len(os.sched_getaffinity(0)) if total >= PARALLEL_FROM_BYTES else 1


if __name__ == "__main__":
    sys.exit(main())
