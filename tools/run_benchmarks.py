"""Run the suites in the present environment and write the standard JSON.

``python -m tools.run_benchmarks [--quick] [--category C ...] [--iterations N] [--output DIR]
[--list]``

The suites, the runner (asv) and the export are those of the tracked history; only the environment
is the present one, and nothing goes into asv's result store.

Exit status: 0 when all went well, 1 when a benchmark failed (the rest is written), 2 for bad
arguments, 130 when interrupted (nothing is written).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import os
import platform
import re
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.harness.journal import FOLDER_VARIABLE
from benchmarks.harness.measurement import (
    DOUBTS_VARIABLE,
    ITERATIONS_VARIABLE,
    QUICK_VARIABLE,
)
from benchmarks.harness.processes import die_with_parent
from benchmarks.harness.progress import PROGRESS_VARIABLE
from tools import quick, working_tree
from tools.command import Parser, Stopped, can_be_written, iteration_count, stopped_by_signals
from tools.export import Selection, UsageError, export_store
from tools.report import CATEGORIES, ReportError
from tools.sitting_bar import sitting_bar
from tools.table import print_table

ROOT = working_tree.ROOT
ASV_CARD = ".asv-machine.json"
_PROGRESS = re.compile(r"^\[\s*(\d+(?:\.\d+)?)%\]\s*·+\s*(\S*)")
# What asv's runner prints of a `setup` that says why there is nothing to measure.
_MISSING = re.compile(r"asv: skipped: NotImplementedError\((.+)\)")


def suites() -> dict[str, str]:
    """The suites that exist: category to module name."""
    return {
        category: module
        for module, category in CATEGORIES.items()
        if (ROOT / "benchmarks" / f"{module}.py").is_file()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    options = _parser().parse_args(arguments)
    known = suites()
    if options.list:
        for category, module in known.items():
            print(f"{category:12} benchmarks/{module}.py")
        return 0
    unknown = [name for name in options.category or () if name not in known]
    if unknown:
        return _refuse(f"--category {unknown[0]}: no such category; known are {', '.join(known)}")
    if not can_be_written(options.output):
        return _refuse(f"--output {options.output}: cannot be made or written to; name another")
    categories = list(dict.fromkeys(options.category or known))
    bench = (
        quick.pattern(categories)
        if options.quick
        else "|".join(rf"^{known[category]}\." for category in categories)
    )
    try:
        with stopped_by_signals(), tempfile.TemporaryDirectory(prefix="aetherless-run-") as name:
            return _run(Path(name), bench, options)
    except Stopped as stopped:
        print("run_benchmarks: interrupted; nothing was written", file=sys.stderr)
        return 128 + stopped.number
    except working_tree.NoCommitError as error:
        return _refuse(str(error))


def _run(folder: Path, bench: str, options: argparse.Namespace) -> int:
    commit = working_tree.commit()
    doubts = working_tree.doubts()
    for doubt in doubts:
        print(f"run_benchmarks: {doubt}", file=sys.stderr)
    config = {
        "version": 1,
        "project": "aetherless",
        "repo": str(ROOT),
        "branches": ["HEAD"],
        "environment_type": "existing",
        "benchmark_dir": str(ROOT / "benchmarks"),
        "results_dir": "results",
        "env_dir": "env",
        "html_dir": "html",
    }
    (folder / "asv.conf.json").write_text(json.dumps(config))
    scratch = folder / "tmp"
    scratch.mkdir()
    environment = {
        **os.environ,
        "ASV_COMMIT": commit,
        FOLDER_VARIABLE: str(folder / "results" / "journal"),
        DOUBTS_VARIABLE: "\n".join(doubts),
        PROGRESS_VARIABLE: str(folder / "progress"),
        "TMPDIR": str(scratch),  # what an interrupted asv leaves goes with the folder
        # Where asv keeps its card of the machine, which is the user's; not so their packages.
        "HOME": str(folder),
        "PYTHONUSERBASE": site.getuserbase(),
    }
    if options.iterations is not None:
        environment[ITERATIONS_VARIABLE] = str(options.iterations)
    if options.quick:
        environment[QUICK_VARIABLE] = "1"
    asv = [sys.executable, "-m", "asv", "--config", str(folder / "asv.conf.json")]
    card = Path.home() / ASV_CARD
    if card.is_file():
        shutil.copy(card, folder / ASV_CARD)
    if not card.is_file() or f'"{platform.node()}"' not in card.read_text():
        asked = subprocess.run([*asv, "machine", "--yes"], cwd=folder, env=environment,
                               capture_output=True, text=True)  # fmt: skip
        if asked.returncode != 0:
            print(asked.stdout + asked.stderr, file=sys.stderr)
            return 1
    command = [
        *asv, "run", "--environment", f"existing:{sys.executable}", "--record-samples",
        "--set-commit-hash", commit, "--show-stderr", "--bench", bench,
    ]  # fmt: skip
    if options.quick:
        command += ["--launch-method", quick.launch_method(str(scratch))]
    status, log = _follow(command, folder, environment)
    if status != 0:
        print(log, file=sys.stderr)
    try:
        done = export_store(folder / "results", options.output, Selection())
    except UsageError as error:
        print(f"run_benchmarks: nothing was measured: {error}\n{log}", file=sys.stderr)
        return 1
    except (OSError, ReportError) as error:
        kept = Path(tempfile.mkdtemp(prefix="aetherless-results-")) / "results"
        shutil.copytree(folder / "results", kept)
        print(
            f"run_benchmarks: {error}; the measurements are kept, export them with"
            f" python -m tools.export --store {kept} --output DIR",
            file=sys.stderr,
        )
        return 1
    failed = [name for name, reason in done.skipped if reason.startswith("failed")]
    for path, state in done.written:
        print(f"{state}: {path}")
    if done.written:
        print_table(path for path, _ in done.written)
    for reason in _missing(log):
        print(f"n/a: {reason}")
    for problem in done.problems:
        print(f"run_benchmarks: {problem}", file=sys.stderr)
    if failed:
        print(f"run_benchmarks: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if status != 0 or failed or done.problems or not done.written else 0


def _missing(log: str) -> list[str]:
    """Why something could not be measured, each reason once; asv's store does not keep them."""
    reasons = []
    for line in log.splitlines():
        if found := _MISSING.search(line):
            try:
                reasons.append(str(ast.literal_eval(found[1])))
            except (ValueError, SyntaxError):
                reasons.append(found[1])
    return list(dict.fromkeys(reasons))


def _follow(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Runs asv and shows its progress as a bar; gives its exit status and all it printed."""
    printed: list[str] = []
    with (
        subprocess.Popen(
            command, cwd=folder, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours to handle
            preexec_fn=partial(die_with_parent, os.getpid()),  # should we be killed
        ) as process,
        Progress(
            TextColumn("{task.description:50.50}"), BarColumn(),
            TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as bar,
    ):  # fmt: skip
        task = bar.add_task("starting", total=100)
        try:
            with sitting_bar(bar, Path(environment[PROGRESS_VARIABLE])):
                for done, what in _progress(process, printed):
                    bar.update(task, completed=done, description=what)
        except BaseException:
            _end(process)
            raise
        if process.wait() == 0:
            bar.update(task, completed=100, description="measured")
    return process.returncode, "".join(printed)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends asv and all that it started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(family, timeout=10)


def _progress(process: subprocess.Popen[str], printed: list[str]) -> Iterator[tuple[float, str]]:
    assert process.stdout is not None
    for line in process.stdout:
        printed.append(line)
        found = _PROGRESS.match(line)
        if found:
            yield float(found[1]), found[2]


def _refuse(message: str) -> int:
    print(f"run_benchmarks: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools.run_benchmarks",
        description="Run the suites in the present environment and write the standard JSON.",
        allow_abbrev=False,
    )
    parser.add_argument("--quick", action="store_true", help="a representative part, in minutes")
    parser.add_argument(
        "--category", nargs="+", action="extend", metavar="C", help=f"of {', '.join(suites())}"
    )
    parser.add_argument(
        "--iterations",
        type=iteration_count,
        metavar="N",
        help="samples that each fresh process takes",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("data"), metavar="DIR", help="default: data"
    )
    parser.add_argument("--list", action="store_true", help="list the categories and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
