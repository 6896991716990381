"""Measure the suites in the present environment and write the standard JSON.

All rows are measured in one session, by the suites' own classes. Without --quick or --study they
are those that `asv run` measures for a commit.

Exit status: 0 when all went well, 1 when a benchmark failed (the rest is written) or nothing can be
measured here, 2 for bad arguments or a package that is not built, 128 and the signal's number when
interrupted (what there is by then is written, and marked).
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import suites
from benchmarks.harness.row import Row
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import ROUNDS
from tools.command import Refused, run
from tools.measuring import add_iterations, hand_over, measure, must_be_writable, parser
from tools.working_tree import ROOT

NAME = "run_benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit status."""
    made = parser(NAME, "Measure what a commit can change (tracking), or the study, or its part.")
    add_iterations(made)
    which = made.add_mutually_exclusive_group()
    for option, chosen, what in (
        ("--quick", Selection.QUICK, "a part of everything, in minutes"),
        ("--study", Selection.STUDY, "everything, in an hour"),
    ):
        which.add_argument(option, dest="selection", action="store_const", const=chosen,
                           default=Selection.TRACKING, help=what)  # fmt: skip
    made.add_argument("--category", nargs="+", action="extend", choices=suites.MODULES, metavar="C",
                      help=f"of {', '.join(suites.MODULES)}; all without")  # fmt: skip
    made.add_argument("--bench", default="", metavar="REGEX",
                      help="of rows' names, or of module.Class.method(parameters)")  # fmt: skip
    made.add_argument("--history", type=Path, metavar="DIR", help="add to that store of asv's form")
    made.add_argument("--publish", action="store_true", help="then make html/ anew of all stores")
    made.add_argument("--list", action="store_true", help="list the benchmarks and stop")
    options = made.parse_args(arguments)
    selection = options.selection
    try:
        rows = suites.rows(selection, options.category, options.bench)
    except re.error as error:
        raise Refused(f"--bench {options.bench}: no regular expression: {error}") from None
    if not rows:
        raise Refused(f"no row of the {selection} selection fits; --list lists them")
    if options.list:
        return _list(rows)
    if options.publish and not options.history:
        raise Refused("--publish shows what --history keeps: name a store, such as .asv/quick")
    must_be_writable("--output", options.output)
    if options.history:
        if options.iterations or options.rounds < ROUNDS:
            what = f"leave out --iterations, and take {ROUNDS} rounds or more"
            raise Refused(f"--history keeps what can be compared: {what}")
        must_be_writable("--history", options.history)
    outcome = measure(rows, selection, options.rounds, options.iterations)
    status = hand_over(NAME, outcome, options.output)
    if options.history and outcome.interrupted is None:
        from tools import history  # asv is slow to import

        try:
            history.add(outcome, rows, selection, options.history)
        except Refused as why:
            print(f"{NAME}: not added to the history in {options.history}: {why}", file=sys.stderr)
        else:
            status = _publish() or status if options.publish else status
    return status


def _publish() -> int:
    """Makes html/ anew; gives the exit status."""
    done = subprocess.run([sys.executable, "-m", "asv", "publish"], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    if done.returncode:
        print(f"{NAME}: no pages were made:\n{done.stdout}", file=sys.stderr)
        return 1
    print("pages: html/index.html; `make preview` shows them")
    return 0


def _list(rows: Sequence[Row]) -> int:
    for category, own in itertools.groupby(rows, lambda row: row.category):
        print(category)
        for benchmark, named in itertools.groupby(own, lambda row: row.benchmark):
            same = list(named)
            print(f"  {benchmark}({', '.join(same[0].parameters)})")
            for row in same:
                print(f"    {row.name}")
    return 0


if __name__ == "__main__":
    sys.exit(run(NAME, main))
