"""``python -m tools.e2e --target URL``: an HTTP endpoint under load, whoever runs it.

Writes ``e2e_<timestamp>.json`` in the standard form.

Exit status: 0; 1 when the first answer is not right or there is none, when the generator lagged
(the result is written, and marked invalid), or when half of all requests failed (there is no median
to write); 2 for bad arguments; 128 and the signal's number when interrupted (nothing is written).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from benchmarks.harness.measurement import MachineState
from benchmarks.harness.system_info import SystemInfo
from benchmarks.load.result import LoadResult
from tools import report
from tools.command import Stopped, stopped_by_signals
from tools.e2e import results, shown
from tools.e2e.measuring import MeasuringError, first_request, measured
from tools.e2e.plan import Plan, planned
from tools.table import human_ns


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    try:
        with stopped_by_signals():
            return _measure(planned(arguments))
    except Stopped as stopped:
        print("e2e: interrupted; nothing was written", file=sys.stderr)
        return 128 + stopped.number
    except (MeasuringError, report.ReportError) as error:
        print(f"e2e: {error}", file=sys.stderr)
    except OSError as error:
        print(f"e2e: the result cannot be written: {error}", file=sys.stderr)
    return 1


def _measure(plan: Plan) -> int:
    began_ms = time.time_ns() // 1_000_000
    state = MachineState()
    _say_first(plan, first_request(plan))
    runs = measured(plan)
    found = results.result(plan, runs, state.as_dict())
    bad = [f"{results.INVALID}{each}" for each in results.invalid_runs(runs)]
    warnings = [] if found is None else found["metadata"]["warnings"]
    shown.show(plan, runs, [each for each in warnings if each not in bad])  # which come last
    if found is None:
        print(
            "e2e: half of all requests or more failed: there is no median, and nothing was written",
            file=sys.stderr,
        )
        return 1
    document = report.build_document(
        report.timestamp_of(began_ms), SystemInfo.collect().as_dict(), [found]
    )
    [(path, is_now)] = report.write_documents(
        plan.output, [report.encode(results.CATEGORY, document)]
    )
    print(f"{is_now}: {path}")
    for each in bad:
        print(f"e2e: {each}", file=sys.stderr)
    return 1 if bad else 0


def _say_first(plan: Plan, first: LoadResult) -> None:
    service, connect = human_ns(float(first.service_ns[0])), human_ns(float(first.connect_ns[0]))
    print(f"first request: right, in {service} after {connect} of connecting"
          f"{' with TLS' if plan.target.tls else ''}", flush=True)  # fmt: skip
