"""What came, for the terminal, beside the table of results."""

from __future__ import annotations

import math
import shutil
import textwrap
from collections.abc import Iterable

import numpy as np

from benchmarks.harness.statistics import Floats, enough_beyond, nearest_rank
from benchmarks.load import outcomes
from benchmarks.load.result import PERCENTS, LoadResult
from benchmarks.load.run import Load
from tools.e2e.answers import COLD, UNKNOWN, WARM
from tools.e2e.options import Options
from tools.e2e.results import starts
from tools.e2e.target import url
from tools.table import human_ns


def line(name: str, value: str) -> str:
    """A name and what there is to say, in as many lines as the terminal needs."""
    width = shutil.get_terminal_size().columns
    return textwrap.fill(f"{name:12} {value}", width, subsequent_indent=" " * 13)


def show(options: Options, load: Load, came: LoadResult) -> None:
    """Prints the percentiles of each part, and how it went."""
    parts = {
        "latency": came.latency_ns,
        "service": came.service_ns[came.outcome == outcomes.OK],
        "connecting": came.connect_ns[came.connect_ns > 0],
    }
    if came.loop == "open":  # a closed one intends nothing beforehand
        parts["generator lag"] = came.lag_ns
    _print_row("", ["samples", *(f"p{percent:g}" for percent in PERCENTS), "max"])
    for name, samples_ns in parts.items():
        ordered = np.sort(samples_ns.astype(np.float64))
        told = (_percentile(ordered, percent) for percent in (*PERCENTS, 100))
        _print_row(name, [str(len(ordered)), *told])
    for name, value in _facts(options, load, came).items():
        print(line(name, value))


def _print_row(name: str, cells: Iterable[str]) -> None:
    print(f"{name:13}" + "".join(f"{cell:>9}" for cell in cells))


def _percentile(ordered: Floats, percent: float) -> str:
    # A median is always told, and so is the maximum.
    few = 50 < percent < 100 and not enough_beyond(len(ordered), percent)
    if few or not len(ordered):
        return "-"
    value_ns = nearest_rank(ordered, percent)
    return "failed" if math.isinf(value_ns) else human_ns(value_ns)


def _facts(options: Options, load: Load, came: LoadResult) -> dict[str, str]:
    request, found = load.request, starts(came)
    served = ", ".join(options.served[:2])
    facts = {
        "target": f"{url(request)} at {request.address}",
        "asked": f"{request.method}, {len(request.body)} bytes; workload {served}",
        "arrivals": f"{options.kind}, seed {options.seed}",
        "requests": f"{came.requests}, {came.succeeded} right ({came.success_rate:.2%})",
    }
    for failure, count in came.failures.items():
        why = came.why[failure].removeprefix(failure).removeprefix(": ")
        facts[f"  {failure}"] = f"{count}, as: {why}"
    facts["a second"] = f"sent {came.sent_per_s:.1f}, achieved {came.achieved_per_s:.1f}"
    if came.offered_per_s is None:
        facts["arrivals"] += f", closed loop of {load.connections}"
    else:
        facts["a second"] = f"offered {came.offered_per_s:.1f}, {facts['a second']}"
        facts["lag p99"] = f"{human_ns(came.lag_p99_ns)}, bound {human_ns(came.lag_bound_ns)}"
    facts["connections"] = f"{came.connections_opened} opened"
    if came.resent:
        facts["sent anew"] = f"{came.resent}, whose kept connection had been closed before"
    facts["starts"] = f"{found[COLD]} cold, {found[WARM]} warm"
    if found[UNKNOWN]:
        facts["starts"] += f", {found[UNKNOWN]} unknown: the answers do not say"
    return facts
