"""``python -m tools.e2e --target URL``: an HTTP endpoint under load, whoever runs it.

Writes ``e2e_<timestamp>.json`` in the standard form.

Exit status: 0; 1 when the first answer is not right or there is none, when the generator lagged
(the result is written, and marked invalid), or when half of all requests failed (there is no median
to write); 2 for bad arguments; 128 and the signal's number when interrupted (nothing is written).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.harness.run import OpenRun
from benchmarks.load.result import LoadResult
from tools import command, working_tree
from tools.e2e import results, shown
from tools.e2e.measuring import MeasuringError, first_request, measured
from tools.e2e.plan import Plan, planned
from tools.export import standard
from tools.table import human_ns


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    return command.run("e2e", lambda: _measure(planned(arguments)))


def _measure(plan: Plan) -> int:
    run = OpenRun(working_tree.commit(), seed=None, rounds=len(plan.loads))
    try:
        _say_first(plan, first_request(plan))
        came = measured(plan)
    except MeasuringError as error:
        print(f"e2e: {error}", file=sys.stderr)
        return 1
    found = results.result(plan, came, run.ended())
    shown.show(plan, came, found)
    if found is None:
        print(
            "e2e: half of all requests or more failed: there is no median, and nothing was written",
            file=sys.stderr,
        )
        return 1
    [(path, is_now)] = standard.write(plan.output, [found])
    print(f"{is_now}: {path}")
    if found.invalid is not None:
        print(f"e2e: invalid: {found.invalid}", file=sys.stderr)
    return 0 if found.invalid is None else 1


def _say_first(plan: Plan, first: LoadResult) -> None:
    service, connect = human_ns(float(first.service_ns[0])), human_ns(float(first.connect_ns[0]))
    print(f"first request: right, in {service} after {connect} of connecting"
          f"{' with TLS' if plan.target.tls else ''}", flush=True)  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
