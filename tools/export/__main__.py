"""Turn asv's result store, and the run log in it, into the standard JSON.

``python -m tools.export [--store DIR] [--output DIR] [--commit HASH] [--machine NAME]
[--category C ...] [--all-history] [--table] [--verbose]``

Exit status: 0 when all of the store could be read, 1 when something in it was broken or foreign
(named on stderr; the rest is exported), 2 for bad arguments.
"""

from __future__ import annotations

import argparse
import gc
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from benchmarks.suites import MODULES
from tools.asv_config import ConfigError, results_folder
from tools.command import Parser, Refused, run
from tools.export import standard
from tools.export.asv_files import BENCHMARKS, Notes, StoreError, result_files
from tools.export.files import write_together
from tools.export.run_log import RunLog
from tools.export.store import Store, category_of, measured
from tools.table import print_table

_TOGETHER = 64  # files that are written at once
_LISTED = 40  # files that are told one by one, unless all are asked for
_SHOWN = 3  # names that stand in a line at most, unless all are asked for
_Written = list[tuple[Path, str]]


class _Source(NamedTuple):
    """A file, its commits with the time of the last measurement, in ms, and its results."""

    path: Path
    measured: Callable[[], dict[str, int]]
    results: Callable[[], Iterable[Result]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    return run("export", lambda: _main(options))


def _main(options: argparse.Namespace) -> int:
    notes = Notes()
    written = _export(options, notes)
    if len(written) <= _LISTED or options.verbose:
        for path, state in written:
            print(f"{state}: {path}")
    else:
        for state, count in Counter(state for _, state in written).items():
            print(f"{state}: {count} files in {options.output}")
    for line in _told(notes.skipped, options.verbose):
        print(fill(f"skipped: {line}", _columns(), subsequent_indent="  ", break_long_words=False))
    if options.table and written:
        print_table(path for path, _ in written)
    if not written:
        print("export: nothing to export in what was chosen", file=sys.stderr)
    for line in _told(notes.problems, options.verbose):
        print(f"export: {line}", file=sys.stderr)
    return 1 if notes.problems else 0


def _export(options: argparse.Namespace, notes: Notes) -> _Written:
    """The files that were written, and how.

    Raises:
        Refused: the arguments fit nothing in the store.
        OSError: a file cannot be written.
    """
    folder, output = options.store or _default_store(), options.output
    if not folder.is_dir():
        raise Refused(f"--store {folder}: no such folder; run `asv run` first or name another")
    if not any((folder / name).exists() for name in (BENCHMARKS, run_log.FOLDER)):
        raise Refused(f"--store {folder}: not an asv result store (no {BENCHMARKS}); name another")
    if output.exists() and not output.is_dir():
        raise Refused(f"--output {output}: not a folder; name another")
    files = list(result_files(folder, notes))
    log = RunLog(folder, {machine for _, machine in files}, options.machine, notes)

    def is_wanted(category: str) -> bool:
        return options.category is None or category in options.category

    store = Store(folder, is_wanted, log.has, notes)
    known = {*MODULES, *map(category_of, store.benchmarks)}
    for each in options.category or ():
        if each not in known:
            raise Refused(f"--category {each}: no such; known are {', '.join(sorted(known))}")
    # What the log has is not taken from asv's files, too: it is read first.
    sources = [_Source(p, partial(log.measured, p), partial(log.results, p)) for p in log.files]
    sources += [
        _Source(path, partial(measured, path, machine), partial(store.results, path, machine))
        for path, machine in files
        if machine == (options.machine or machine)
    ]
    if not (log.files or files):
        raise Refused(f"--store {folder}: holds no results; run `asv run`{_unread(notes)}")
    if options.machine is not None or options.commit is not None or not options.all_history:
        sources, commits = _chosen(sources, options, log, notes)
    else:
        commits = None
    written: _Written = []
    planned: dict[Path, bytes] = {}
    for source in sources:
        try:
            found = [
                each
                for each in source.results()
                if is_wanted(each.category) and (commits is None or each.run.commit in commits)
            ]
            written += _plan(output, found, planned, source.path, notes)
        except (StoreError, standard.FormError) as error:
            notes.problem(source.path, error)
        if len(planned) >= _TOGETHER:
            write_together(planned)
            planned.clear()
    write_together(planned)
    return written


def _chosen(
    sources: Iterable[_Source], options: argparse.Namespace, log: RunLog, notes: Notes
) -> tuple[list[_Source], Collection[str]]:
    """The commits that were chosen, and the sources that hold something of them.

    Raises:
        Refused: nothing fits.
    """
    held: list[tuple[_Source, dict[str, int]]] = []
    last_ms: dict[str, int] = {}
    for source in sources:
        try:
            held.append((source, source.measured()))
        except StoreError as error:
            notes.problem(source.path, error)
            continue
        for commit, at_ms in held[-1][1].items():
            last_ms[commit] = max(at_ms, last_ms.get(commit, 0))
    if options.machine is not None and not last_ms:
        known = ", ".join(sorted(log.machines)) or "none"
        raise Refused(f"--machine {options.machine}: no results of it; known: {known}")
    newest_first = sorted(last_ms, key=lambda commit: -last_ms[commit])
    chosen = newest_first if options.all_history else newest_first[:1]
    if options.commit is not None:
        chosen = [each for each in newest_first if each.startswith(options.commit)]
        some = ", ".join(each[:12] for each in (chosen or newest_first)[:8]) or "none"
        if not chosen:
            told = f"no results of it; measured last: {some}{_unread(notes)}"
            raise Refused(f"--commit {options.commit}: {told}")
        if len(chosen) > 1:
            raise Refused(f"--commit {options.commit}: fits several ({some}); give more digits")
    return [source for source, commits in held if not commits.keys().isdisjoint(chosen)], chosen


def _plan(
    output: Path, results: Sequence[Result], planned: dict[Path, bytes], path: Path, notes: Notes
) -> _Written:
    """As `standard.plan`, but a result that does not fit the form costs only itself.

    Raises:
        FormError: they do not fit each other.
    """
    try:
        return standard.plan(output, results, planned) if results else []
    except standard.FormError:
        sound = []
        for each in results:
            try:
                standard.documents([each])
                sound.append(each)
            except standard.FormError as error:
                notes.problem(path, f"{each.name}: {error}")
        return standard.plan(output, sound, planned) if sound else []


def _told(notes: Mapping[str, Iterable[str]], is_verbose: bool = False) -> Iterator[str]:
    """Each reason with whom it concerns: some of them, as fit a line, unless all are wanted."""
    for reason, concerned in notes.items():
        names = list(concerned)
        for shown in [len(names)] if is_verbose else range(min(len(names), _SHOWN), 0, -1):
            line = f"{len(names)} x {reason}: " if len(names) > 1 else f"{reason}: "
            line += ", ".join(names[:shown]) + (", ..." if shown < len(names) else "")
            if len(line) + len("skipped: ") <= _columns():
                break
        yield "".join(each if each.isprintable() else "?" for each in line)


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _unread(notes: Notes) -> str:
    return "".join(f"; {line}" for line in _told(notes.problems))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools.export",
        description="Turn asv's result store, and the run log in it, into the standard JSON.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="asv's results (default: its configuration's)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("data"), metavar="DIR", help="default: data"
    )
    parser.add_argument(
        "--commit", type=_commit, metavar="HASH", help="a commit, or how its hash begins"
    )
    parser.add_argument("--machine", metavar="NAME", help="results of this machine only")
    parser.add_argument(
        "--category", nargs="+", action="extend", metavar="C",
        help=f"of {', '.join(MODULES)}, or a module of another project (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--all-history", action="store_true",
        help="every measured commit (default: the one measured last)",
    )  # fmt: skip
    parser.add_argument("--table", action="store_true", help="print what was exported as a table")
    parser.add_argument(
        "--verbose", action="store_true", help="name all files and all that was left out"
    )
    return parser


def _commit(text: str) -> str:
    lowered = text.lower()
    if not 4 <= len(text) <= 40 or any(letter not in "0123456789abcdef" for letter in lowered):
        raise argparse.ArgumentTypeError(f"{text!r} is no commit hash of 4 to 40 hex digits")
    return lowered


def _default_store() -> Path:
    try:
        return results_folder(Path.cwd())
    except ConfigError as error:
        raise Refused(f"{error}; mend it or give --store") from error


if __name__ == "__main__":
    gc.disable()  # no cycles are made here, and it would go through every list of samples
    sys.exit(main())
