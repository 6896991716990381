"""``python -m tools.performance [PART ...] [--rounds N] [--json] [--list]``

Measures what the goals are about, and says which are met. Goals that need as many samples are
measured in one session.

Exit status: 0, also where goals are not shown; 1 where one is missed, or cannot be measured here; 2
for bad arguments; 128 and the signal's number when interrupted.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks import suites
from benchmarks.harness.row import Row
from benchmarks.harness.run import Run
from benchmarks.harness.selection import Selection
from tools import command
from tools.measuring import measure
from tools.performance import shown
from tools.performance.evaluate import FEWEST_ROUNDS, MISSED, NOT_MEASURED, Finding, evaluate
from tools.performance.goals import GOALS, PARTS, Goal

ROUNDS = 10


def rows() -> dict[str, Row]:
    """Each row of the study as it is measured by itself, without partners, by its name."""
    return {
        row.name: replace(suite.row_of(*row.parameters.values()), beside={})
        for category in suites.MODULES
        for suite in suites.classes(category)
        for row in suite.rows(Selection.STUDY)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit status."""
    parser = command.Parser(
        prog="python -m tools.performance",
        description="Measure what the project promises, beside what it is measured against.",
        allow_abbrev=False,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    parser.add_argument(
        "--rounds", type=command.count_to(command.MOST_ROUNDS), default=ROUNDS, metavar="N",
        help=f"{FEWEST_ROUNDS} or more; default {ROUNDS}",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.add_argument("--list", action="store_true", help="print the goals, measure nothing")
    options = parser.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            parser.error(f"{part}: there is no such PART; give {', '.join(PARTS)}")
    if options.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds {options.rounds}: an interval needs at least {FEWEST_ROUNDS}")
    goals = [goal for goal in GOALS if goal.part in (options.parts or PARTS)]
    if options.list:
        for goal in goals:
            print(f"{goal.part}: {goal.name}: {shown.wanted(goal)}")
        return 0
    return _report(goals, options.rounds, options.json)


def _report(goals: Sequence[Goal], rounds: int, as_json: bool) -> int:
    all_rows = rows()
    findings: dict[Goal, Finding] = {}
    runs: list[Run] = []
    for samples in dict.fromkeys(goal.samples for goal in goals):
        own = [goal for goal in goals if goal.samples == samples]
        wanted = [all_rows[name] for name in dict.fromkeys(sum((each.rows for each in own), ()))]
        outcome = measure(wanted, None, rounds=rounds, iterations=samples)
        if outcome.interrupted is not None:
            print("performance: interrupted; there are no verdicts", file=sys.stderr)
            return 128 + outcome.interrupted
        results = {each.name: each for each in outcome.results}
        lacking = outcome.missing | outcome.failed
        findings |= {goal: evaluate(goal, results, lacking) for goal in own}
        runs += [each.run for each in outcome.results[:1]]
    _print([findings[goal] for goal in goals], runs, as_json)
    return int(any(each.verdict in (MISSED, NOT_MEASURED) for each in findings.values()))


def _print(findings: Sequence[Finding], runs: Sequence[Run], as_json: bool) -> None:
    if as_json:
        document = {
            "goals": [each.as_dict() for each in findings],
            "system_info": runs[0].machine.as_dict() if runs else None,
            "runs": [
                {"id": run.id, "commit": run.commit, "environment": run.environment,
                 "warnings": run.warnings}
                for run in runs
            ],
        }  # fmt: skip
        print(json.dumps(document, indent=2))
        return
    shown.show(findings)
    if runs:
        machine = runs[0].machine
        print(f"{machine.cpu_model}, {machine.cpu_cores} cores, {machine.os} "
              f"{machine.kernel_version}, {runs[0].environment['python']}")  # fmt: skip
    for text in dict.fromkeys(text for run in runs for text in run.warnings):
        print(f"warning: {text}")


if __name__ == "__main__":
    sys.exit(command.run("performance", main))
