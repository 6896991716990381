"""What came, as a result in the harness's form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.load import outcomes
from benchmarks.load.pooled import pooled
from benchmarks.load.result import LoadResult
from tools.e2e.answers import COLD, STATES, UNKNOWN, WARM
from tools.e2e.plan import Plan

CATEGORY = "e2e"


def starts(came: LoadResult) -> dict[str, int]:
    """How many of the right answers were given in which state."""
    return {state: came.labelled.get(state, 0) for state in STATES}


def start_mode(found: Mapping[str, int]) -> str:
    """Of those who gave the right answers: "cold", "warm", "mixed", or "unknown"."""
    if found[UNKNOWN]:
        return UNKNOWN
    if found[COLD] and found[WARM]:
        return "mixed"
    return COLD if found[COLD] else WARM


def invalid(runs: Sequence[LoadResult]) -> str | None:
    """What makes single runs, and so the result, invalid; None where nothing does."""
    found = [
        f"run {number}: {each.invalid}" if len(runs) > 1 else each.invalid
        for number, each in enumerate(runs, 1)
        if each.invalid
    ]
    return "; ".join(found) or None


def warnings(came: LoadResult) -> list[str]:
    """What makes the runs together doubtful, in words."""
    found = [each for each in came.warnings if each != f"invalid: {came.invalid}"]
    if failed := came.requests - came.succeeded:
        found.append(f"{failed} of {came.requests} requests failed: they count with the time-out")
    return found


def result(plan: Plan, runs: Sequence[LoadResult], run: Run) -> Result | None:
    """The result, or None where half of all requests or more failed: there is no median.

    What the target answered is not in it, since that may repeat what it was sent. A request that
    failed counts with the time-out, or with the longest of the others where that is longer: whoever
    wants the answer has none.

    Args:
        plan: what was asked for.
        runs: what came of it.
        run: when and where.
    """
    came = pooled(runs)
    if came.latency is None:
        return None
    clock_ns = clock_cost_ns()
    finite_ns = came.latency_ns[came.outcome == outcomes.OK]
    failed_ns = max(plan.loads[0].timeout_s * 1e9, float(finite_ns.max()))
    told, *single = (
        {name: value for name, value in each.as_dict().items() if name != "why"}
        for each in ([came, *runs] if len(runs) > 1 else runs)
    )
    return Result(
        name="_".join(["e2e_target", *(_part(each) for each in (plan.workload, plan.variant))]),
        category=CATEGORY,
        benchmark="tools.e2e",
        parameters={},
        rounds=tuple(
            Samples(
                durations_ns=np.minimum(each.latency_ns, failed_ns).tolist(),
                clock_cost_ns=clock_ns,
                warnings=warnings(came),
            )
            for each in runs
        ),
        run=run,
        processes=len(runs),
        facts={**told, **_facts(plan, came), "valid": invalid(runs) is None, "runs": single},
        invalid=invalid(runs),
    )


def _facts(plan: Plan, came: LoadResult) -> dict[str, Any]:
    return {
        "experiment": "target",
        "workload": plan.workload,
        "variant": plan.variant,
        "platform": plan.target.place,
        "target": str(plan.target),
        "start_mode": start_mode(starts(came)),
        "starts": starts(came),
        "arrivals": plan.kind,
        "arrival_parameters": came.arrivals,
        "rate": came.offered_per_s,
        "concurrency": plan.loads[0].connections,
        "payload_size_bytes": len(plan.request.body),
        "timeout_s": plan.loads[0].timeout_s,
        "expected": plan.expected,
        "header_names": list(plan.headers),
        "seed": plan.seed,
        "tail_to_median_ratio": came.tail_to_median,
    }


def _part(text: str) -> str:
    """As in the names of the suites."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)
