"""What came, in the standard form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.measurement import warnings_of
from benchmarks.load import outcomes
from benchmarks.load.pooled import pooled
from benchmarks.load.result import LoadResult
from tools import baseline
from tools.e2e.answers import COLD, STATES, UNKNOWN, WARM
from tools.e2e.plan import Plan

CATEGORY = "e2e"
INVALID = "invalid: "  # as a run's own warning begins


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


def invalid_runs(runs: Sequence[LoadResult]) -> list[str]:
    """What makes single runs invalid, in words."""
    words = [f"run {number}: " if len(runs) > 1 else "" for number in range(1, len(runs) + 1)]
    return [f"{word}{each.invalid}" for word, each in zip(words, runs, strict=True) if each.invalid]


def warnings(runs: Sequence[LoadResult], clock_ns: float) -> list[str]:
    """What makes the result doubtful, in words."""
    together = pooled(runs)
    found = [f"{INVALID}{each}" for each in invalid_runs(runs)]
    found += [each for each in together.warnings if each != f"{INVALID}{together.invalid}"]
    if together.failures:
        failed = together.requests - together.succeeded
        found.append(f"{failed} of {together.requests} requests failed")
    right = [each.latency_ns[each.outcome == outcomes.OK] for each in runs if each.succeeded]
    # The time that the hypervisor took is said of the runs.
    return found + warnings_of(right, "per_operation", clock_ns, 0.0)


def result(
    plan: Plan, runs: Sequence[LoadResult], environment: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The result, or None where half of all requests or more failed: there is no median.

    What the target answered is not in it, since that may repeat what it was sent.

    Args:
        plan: what was asked for.
        runs: what came of it.
        environment: `MachineState.as_dict()`.
    """
    came = pooled(runs)
    if came.latency is None:
        return None
    clock_ns = clock_cost_ns()
    told, *single = (
        {name: value for name, value in each.as_dict().items() if name != "why"}
        for each in ([came, *runs] if len(runs) > 1 else runs)
    )
    return {
        "name": "_".join(["e2e_target", *(_part(each) for each in (plan.workload, plan.variant))]),
        "category": CATEGORY,
        "iterations": came.requests,
        "metrics": came.latency.as_dict(),
        "metadata": {
            **told,
            "benchmark": "tools.e2e",
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
            "valid": not invalid_runs(runs),
            "sampling": "per_operation",
            "samples": came.requests,
            "number": 1,
            "processes": len(runs),
            "clock_cost_ns": clock_ns,
            "commit": baseline.commit(),
            "environment": dict(environment),
            "runs": single,
            "warnings": warnings(runs, clock_ns),
        },
    }


def _part(text: str) -> str:
    """As in the names of the suites."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)
