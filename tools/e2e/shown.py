"""What came, for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.harness.result import Result
from benchmarks.harness.statistics import Floats, enough_beyond, nearest_rank
from benchmarks.harness.warnings import warnings_of
from benchmarks.load import outcomes
from benchmarks.load.pooled import pooled
from benchmarks.load.result import PERCENTS, LoadResult
from tools.e2e.answers import COLD, UNKNOWN, WARM
from tools.e2e.arguments import NONE
from tools.e2e.plan import Plan
from tools.e2e.results import starts
from tools.table import human_ns


def show(plan: Plan, runs: Sequence[LoadResult], result: Result | None) -> None:
    """Prints all of it, but for what makes the result invalid: that comes last.

    Args:
        plan: what was asked for.
        runs: what came of it.
        result: the same in the harness's form; None where it has none.
    """
    came = pooled(runs)
    console = Console()
    console.print(_distributions(came))
    for name, value in _facts(plan, came):
        # Texts of the target's hold no markup; nor may they.
        console.print(f"{name:12} {value}", markup=False, highlight=False)
    warnings = [] if result is None else [each.text for each in warnings_of(result.rounds)]
    for each in [*warnings, *(result.run.warnings if result else ())]:
        console.print(f"{'warning':12} {each}", markup=False, highlight=False)


def _distributions(came: LoadResult) -> Table:
    right = came.outcome == outcomes.OK
    connected = came.connect_ns[came.connect_ns > 0].astype(np.float64)
    columns = [
        ("latency", came.latency_ns),
        ("service", came.service_ns[right].astype(np.float64)),
        ("connecting", connected),
    ]
    if came.loop == "open":  # a closed one intends nothing beforehand
        columns.append(("generator lag", came.lag_ns.astype(np.float64)))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    ordered = [np.sort(samples_ns) for _, samples_ns in columns]
    table.add_row("samples", *(str(len(each)) for each in ordered))
    for percent in PERCENTS:
        table.add_row(f"p{percent:g}", *(_percentile(each, percent) for each in ordered))
    table.add_row("max", *(_duration(each[-1]) if len(each) else "-" for each in ordered))
    return table


def _percentile(ordered: Floats, percent: float) -> str:
    few = percent > 50 and not enough_beyond(len(ordered), percent)  # a median is always told
    if few or not len(ordered):
        return "-"
    return _duration(nearest_rank(ordered, percent))


def _duration(value_ns: float) -> str:
    return "failed" if math.isinf(value_ns) else human_ns(value_ns)


def _facts(plan: Plan, came: LoadResult) -> list[tuple[str, str]]:
    offered = "" if came.offered_per_s is None else f"offered {came.offered_per_s:.1f}, "
    loop, lag = f", closed loop of {plan.loads[0].connections}", []
    if came.loop == "open":
        loop = ""
        lag = [("lag p99", f"{human_ns(came.lag_p99_ns)}, bound {human_ns(came.lag_bound_ns)}")]
    return [
        ("target", str(plan.target)),
        ("asked", f"{plan.request.method}, {len(plan.request.body)} bytes; {_workload(plan)}"),
        ("arrivals", f"{plan.kind}, seed {plan.seed}{loop}"),
        ("requests", f"{came.requests}, {came.succeeded} right ({came.success_rate:.2%})"),
        *((f"  {name}", _example(name, count, came)) for name, count in came.failures.items()),
        ("a second", f"{offered}sent {came.sent_per_s:.1f}, achieved {came.achieved_per_s:.1f}"),
        *lag,
        ("TMR", _ratio(came)),
        ("connections", f"{came.connections_opened} opened"),
        ("starts", _starts(came)),
    ]


def _example(name: str, count: int, came: LoadResult) -> str:
    why = came.why[name].removeprefix(name).removeprefix(": ")
    return f"{count}, as: {why}"


def _ratio(came: LoadResult) -> str:
    ratio = came.tail_to_median
    if ratio is not None:
        return f"{ratio:.2f} (p99 / p50)"
    few = came.percentile_ns(99) is None
    return f"- ({'too few requests for a p99' if few else 'p99 falls on failures'})"


def _workload(plan: Plan) -> str:
    if plan.workload == NONE:
        return "no workload"
    return f"workload {plan.workload}, {plan.variant}"


def _starts(came: LoadResult) -> str:
    found = starts(came)
    if not found[COLD] and not found[WARM]:
        return "unknown: the answers do not say which are cold"
    rest = f", {found[UNKNOWN]} unknown" if found[UNKNOWN] else ""
    return f"{found[COLD]} cold, {found[WARM]} warm{rest}"
