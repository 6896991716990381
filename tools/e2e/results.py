"""What came, as a result in the harness's form."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.result import Result
from benchmarks.harness.run import Run
from benchmarks.harness.samples import Samples
from benchmarks.load import outcomes
from benchmarks.load.pooled import pooled
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Load
from tools.e2e.answers import STATES, UNKNOWN
from tools.e2e.options import Options
from tools.e2e.target import url


def starts(came: LoadResult) -> dict[str, int]:
    """How many of the right answers were given in which state."""
    return {state: came.labelled.get(state, 0) for state in STATES}


def result(options: Options, load: Load, runs: Sequence[LoadResult], run: Run) -> Result | None:
    """The result, or None where half of all requests or more failed: there is no median.

    What the target answered is not in it, since that may repeat what it was sent. A request that
    failed counts with the time-out, or with the longest of the others where that is longer: whoever
    wants the answer has none.
    """
    came = pooled(runs)
    if came.latency is None:
        return None
    name, variant, _ = options.served
    found = starts(came)
    modes = [state for state, count in found.items() if count]
    longest_ns = float(came.latency_ns[came.outcome == outcomes.OK].max())
    failed_ns = max(options.timeout * 1e9, longest_ns)
    clock_ns = clock_cost_ns()
    warnings = [each for each in came.warnings if each != f"invalid: {came.invalid}"]
    if failed := sum(came.failures.values()):
        told_of = f"{failed} of {came.requests} requests failed"
        warnings.append(f"{told_of}: they count with the time-out")
    invalid = "; ".join(
        f"run {number}: {each.invalid}" if len(runs) > 1 else each.invalid
        for number, each in enumerate(runs, 1)
        if each.invalid
    )
    told, *single = (
        {key: value for key, value in each.as_dict().items() if key != "why"}
        for each in ([came, *runs] if len(runs) > 1 else runs)
    )
    return Result(
        name=re.sub(r"[^A-Za-z0-9.-]+", "_", f"e2e_target_{name}_{variant}"),
        category="e2e",
        benchmark="tools.e2e",
        parameters={},
        rounds=tuple(
            Samples(
                durations_ns=np.minimum(each.latency_ns, failed_ns).tolist(),
                clock_cost_ns=clock_ns,
                warnings=warnings,
            )
            for each in runs
        ),
        run=run,
        processes=len(runs),
        facts={
            **told,
            "experiment": "target",
            "workload": name,
            "variant": variant,
            "platform": load.request.place,
            "address": load.request.address,
            "target": url(load.request),
            "start_mode": UNKNOWN if UNKNOWN in modes else "mixed" if modes[1:] else modes[0],
            "starts": found,
            "arrivals": options.kind,
            "arrival_parameters": came.arrivals,
            "rate": came.offered_per_s,
            "concurrency": load.connections,
            "payload_size_bytes": len(load.request.body),
            "timeout_s": options.timeout,
            "expected": options.expected,
            "header_names": [each.partition(":")[0] for each in options.header],
            "seed": options.seed,
            "tail_to_median_ratio": came.tail_to_median,
            "valid": not invalid,
            "runs": single,
        },
        invalid=invalid or None,
    )
