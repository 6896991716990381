"""Measures what the goals are about, and says which are met: ``python -m tools.performance``

Goals that need as many samples are measured in one session.

Exit status: 0, also where goals are not shown; 1 where one is missed, or cannot be measured here; 2
for bad arguments; 128 and the signal's number when interrupted (what there is by then is written,
and marked).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks import suites
from benchmarks.harness.result import Result
from benchmarks.harness.row import Row
from benchmarks.harness.run import Run
from benchmarks.harness.selection import Selection
from tools import command
from tools.measuring import hand_over, measure, must_be_writable, parser
from tools.performance.evaluate import FEWEST_ROUNDS, MISSED, NOT_MEASURED, Finding, evaluate
from tools.performance.goals import GOALS, PARTS, TAIL_TO_MEDIAN, Goal
from tools.table import human_ns

NAME = "performance"
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
    made = parser(
        NAME, "Measure what the project promises, beside what it is measured against.", ROUNDS
    )
    made.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    made.add_argument("--json", action="store_true", help="print JSON in place of a table")
    made.add_argument("--list", action="store_true", help="print the goals, measure nothing")
    options = made.parse_args(arguments)
    for part in options.parts:
        if part not in PARTS:
            made.error(f"{part}: there is no such PART; give {', '.join(PARTS)}")
    if options.rounds < FEWEST_ROUNDS:
        made.error(f"--rounds {options.rounds}: an interval needs at least {FEWEST_ROUNDS}")
    goals = [goal for goal in GOALS if goal.part in (options.parts or PARTS)]
    if options.list:
        for goal in goals:
            print(f"{goal.part}: {goal.name}: {_wanted(goal)}")
        return 0
    must_be_writable("--output", options.output)
    all_rows = rows()
    findings: dict[Goal, Finding] = {}
    results: list[Result] = []
    for samples in dict.fromkeys(goal.samples for goal in goals):
        own = [goal for goal in goals if goal.samples == samples]
        names = dict.fromkeys(name for goal in own for name in goal.rows)
        outcome = measure([all_rows[name] for name in names], None, options.rounds, samples)
        results += outcome.results
        if outcome.interrupted is not None:
            return hand_over(NAME, replace(outcome, results=results), options.output)
        found = {each.name: each for each in outcome.results}
        findings |= {goal: evaluate(goal, found, outcome.missing | outcome.failed) for goal in own}
    runs = list({each.run.id: each.run for each in results}.values())
    _print([findings[goal] for goal in goals], runs, options.json)
    return int(any(each.verdict in (MISSED, NOT_MEASURED) for each in findings.values()))


def _print(findings: Sequence[Finding], runs: Sequence[Run], as_json: bool) -> None:
    if as_json:
        document = {
            "goals": [each.as_dict() for each in findings],
            "system_info": asdict(runs[0].machine) if runs else None,
            "runs": [
                {key: getattr(run, key) for key in ("id", "commit", "environment", "warnings")}
                for run in runs
            ],
        }
        print(json.dumps(document, indent=2))
        return
    _show(findings)
    if runs:
        machine = runs[0].machine
        print(f"{machine.cpu_model}, {machine.cpu_cores} cores, {machine.os} "
              f"{machine.kernel_version}, {runs[0].environment['python']}")  # fmt: skip
    for text in dict.fromkeys(text for run in runs for text in run.warnings):
        print(f"warning: {text}")


def _show(findings: Sequence[Finding]) -> None:
    """Prints a table for each part, and what keeps goals from being shown."""
    console = Console()
    for part, own in groupby(findings, lambda each: each.goal.part):
        table = Table(box=box.SIMPLE_HEAD, title=part, title_justify="left", title_style="bold")
        table.add_column("goal", overflow="fold")
        table.add_column("measured [95 %]", no_wrap=True)
        table.add_column("wanted", no_wrap=True)
        for each in own:
            said = f"{_wanted(each.goal)}\n{each.verdict}"
            table.add_row(each.goal.name, _measured(each), said)
        console.print(table, markup=False, highlight=False)
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in findings:
        if each.why is not None:
            reasons.setdefault((each.verdict, each.why), []).append(each.goal.name)
    for (verdict, why), names in reasons.items():
        console.print(f"{verdict}: {'; '.join(names)}: {why}", markup=False, highlight=False)


def _wanted(goal: Goal) -> str:
    return f"{'>=' if goal.at_least else '<='} {_figure(goal, goal.bound)}"


def _measured(found: Finding) -> str:
    """The figure with its interval, and below it what a ratio is of."""
    if found.value is None:
        return "-"
    shown = _figure(found.goal, found.value)
    if found.low is not None and found.high is not None:
        shown += f" [{_figure(found.goal, found.low)}, {_figure(found.goal, found.high)}]"
    if found.goal.to is not None:
        shown += "\n" + " / ".join(_amount(found.goal.figure, side) for side in found.sides)
    return shown


def _figure(goal: Goal, value: float) -> str:
    if goal.to is None and goal.figure != TAIL_TO_MEDIAN:
        return _amount(goal.figure, value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _amount(figure: str, value: float) -> str:
    if figure.startswith("memory"):
        return f"{value:.0f} bytes"
    return f"{value:,.0f}/s" if figure == "per_second" else human_ns(value)


if __name__ == "__main__":
    sys.exit(command.run(NAME, main))
