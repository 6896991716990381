"""Turn asv's result store, and the run log in it, into the standard JSON.

Exit status: 0 when all of the store could be read, 1 when something in it was broken or foreign
(named on stderr; the rest is exported), 2 for bad arguments.
"""

from __future__ import annotations

import argparse
import gc
import re
import shutil
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import TypeAlias

from asv.config import Config
from asv.util import UserError

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from benchmarks.suites import MODULES
from tools.command import Parser, Refused, run
from tools.export import standard
from tools.export.asv_files import BENCHMARKS, Notes, StoreError
from tools.export.run_log import RunLog
from tools.export.store import Store, category_of
from tools.table import print_table

_LISTED = 40  # files that are told one by one, unless all are asked for
_SHOWN = 3  # names that stand in a line at most, unless all are asked for
_Sources: TypeAlias = Sequence[tuple[RunLog | Store, Path]]  # files, and who reads them


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
    width = shutil.get_terminal_size().columns
    for line in _told(notes.skipped, options.verbose):
        print(fill(f"skipped: {line}", width, subsequent_indent="  ", break_long_words=False))
    if not written:
        print("export: nothing to export in what was chosen", file=sys.stderr)
    elif options.table:
        print_table(path for path, _ in written)
    for line in _told(notes.problems, options.verbose):
        print(f"export: {line}", file=sys.stderr)
    return 1 if notes.problems else 0


def _export(options: argparse.Namespace, notes: Notes) -> standard.Written:
    """The files that were written, and how; raises `Refused` where nothing fits the arguments."""
    folder, output = options.store or _default_store(), options.output
    if not folder.is_dir():
        raise Refused(f"--store {folder}: no such folder; run `asv run` first or name another")
    if not any((folder / name).exists() for name in (BENCHMARKS, run_log.FOLDER)):
        raise Refused(f"--store {folder}: not an asv result store (no {BENCHMARKS}); name another")
    if output.exists() and not output.is_dir():
        raise Refused(f"--output {output}: not a folder; name another")

    def is_wanted(category: str) -> bool:
        return options.category is None or category in options.category

    store = Store(folder, is_wanted, options.machine, notes)
    known = {*MODULES, *map(category_of, store.benchmarks)}
    for each in options.category or ():
        if each not in known:
            raise Refused(f"--category {each}: no such; known are {', '.join(sorted(known))}")
    sources: _Sources = [
        *((store.log, path) for path in store.log.files),
        *((store, path) for path, machine in store.files.items()
          if machine == (options.machine or machine)),
    ]  # fmt: skip
    if not (store.log.files or store.files):
        raise Refused(f"--store {folder}: holds no results; run `asv run`{_unread(notes)}")
    commits: Collection[str] | None = None
    if options.machine is not None or options.commit is not None or not options.all_history:
        sources, commits = _chosen(sources, options, store.log, notes)
    written: standard.Written = []
    with standard.together(output) as staged:
        for reader, path in sources:
            try:
                found = [
                    each
                    for each in reader.results(path)
                    if is_wanted(each.category) and (commits is None or each.run.commit in commits)
                ]
                written += _write(staged, found, path, notes)
            except (StoreError, standard.FormError) as error:
                notes.problem(path, error)
    return written


def _chosen(
    sources: _Sources, options: argparse.Namespace, log: RunLog, notes: Notes
) -> tuple[_Sources, Collection[str]]:
    """The sources that hold something of the commits that were chosen, and these."""
    held = []
    last_ms: dict[str, int] = {}
    for reader, path in sources:
        try:
            measured = reader.measured(path)
        except StoreError as error:
            notes.problem(path, error)
            continue
        held.append(((reader, path), measured.keys()))
        for commit, at_ms in measured.items():
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
    return [source for source, commits in held if not commits.isdisjoint(chosen)], chosen


def _write(staged: Path, results: Sequence[Result], path: Path, notes: Notes) -> standard.Written:
    """As `standard.write_to`, but a result that does not fit the form costs only itself."""
    try:
        return standard.write_to(staged, results)
    except standard.FormError:
        sound = []
        for each in results:
            try:
                standard.documents([each])
                sound.append(each)
            except standard.FormError as error:
                notes.problem(path, f"{each.name}: {error}")
        return standard.write_to(staged, sound)


def _told(notes: Mapping[str, Iterable[str]], is_verbose: bool = False) -> Iterator[str]:
    """Each reason with whom it concerns: some of them, unless all are wanted."""
    for reason, concerned in notes.items():
        names = list(concerned)
        shown = names if is_verbose or len(names) <= _SHOWN else [*names[:_SHOWN], "..."]
        line = f"{len(names)} x {reason}: " if len(names) > 1 else f"{reason}: "
        yield "".join(each if each.isprintable() else "?" for each in line + ", ".join(shown))


def _unread(notes: Notes) -> str:
    return "".join(f"; {line}" for line in _told(notes.problems))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools.export",
        description="Turn asv's result store, and the run log in it, into the standard JSON.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--store", type=Path, metavar="DIR", help="asv's results (default: its configuration's)")
    add("--output", type=Path, default=Path("data"), metavar="DIR", help="default: data")
    add("--commit", type=_commit, metavar="HASH", help="a commit, or how its hash begins")
    add("--machine", metavar="NAME", help="results of this machine only")
    add("--category", nargs="+", action="extend", metavar="C",
        help=f"of {', '.join(MODULES)}, or a module of another project (default: all)")  # fmt: skip
    add("--all-history", action="store_true",
        help="every measured commit (default: the one measured last)")  # fmt: skip
    add("--table", action="store_true", help="print what was exported as a table")
    add("--verbose", action="store_true", help="name all files and all that was left out")
    return parser


def _commit(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{4,40}", text.lower()):
        raise argparse.ArgumentTypeError(f"{text!r} is no commit hash of 4 to 40 hex digits")
    return text.lower()


def _default_store() -> Path:
    try:
        return Path(Config.load().results_dir)
    except (UserError, OSError, ValueError, TypeError, RecursionError) as error:
        told = str(error).rstrip(".")
        raise Refused(f"{Path.cwd()}: asv's configuration: {told}; give --store") from error


if __name__ == "__main__":
    gc.disable()  # no cycles are made here, and it would go through every list of samples
    sys.exit(main())
