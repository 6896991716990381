"""Goals and findings for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tools.performance.evaluate import Finding
from tools.performance.goals import TAIL_TO_MEDIAN, Goal
from tools.table import human_ns


def show(findings: Sequence[Finding], console: Console | None = None) -> None:
    """Prints a table for each part, and what keeps goals from being shown."""
    console = console or Console()
    by_part: dict[str, list[Finding]] = {}
    for each in findings:
        by_part.setdefault(each.goal.part, []).append(each)
    for part, own in by_part.items():
        table = Table(box=box.SIMPLE_HEAD, title=part, title_justify="left", title_style="bold")
        table.add_column("goal", overflow="fold")
        table.add_column("measured [95 %]", no_wrap=True)
        table.add_column("wanted", no_wrap=True)
        for each in own:
            said = f"{wanted(each.goal)}\n{each.verdict}"
            table.add_row(each.goal.name, _measured(each), said)
        console.print(table, markup=False, highlight=False)
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in findings:
        if each.why is not None:
            reasons.setdefault((each.verdict, each.why), []).append(each.goal.name)
    for (verdict, why), names in reasons.items():
        console.print(f"{verdict}: {'; '.join(names)}: {why}", markup=False, highlight=False)


def wanted(goal: Goal) -> str:
    """The bound."""
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
