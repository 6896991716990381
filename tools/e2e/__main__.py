"""``python -m tools.e2e --target URL``: an HTTP endpoint under load, whoever runs it.

Writes ``e2e_<timestamp>.json`` in the standard form.

Exit status: 0; 1 when the first answer is not right or there is none, when the generator lagged
(the result is written, and marked invalid), or when half of all requests failed (there is no median
to write); 2 for bad arguments; 128 and the signal's number when interrupted (what there is by then
is written, and marked).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.harness.processes import ProcessError
from benchmarks.harness.run import OpenRun
from benchmarks.load import outcomes
from benchmarks.load.pooled import pooled
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from tools import command, working_tree
from tools.e2e.measuring import measured
from tools.e2e.options import Options, read
from tools.e2e.results import result
from tools.e2e.shown import line, show
from tools.e2e.target import reached, url
from tools.measuring import Outcome, hand_over, must_be_writable
from tools.table import human_ns

NAME = "e2e"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    return command.run(NAME, lambda: _measure(read(arguments)))


def _measure(options: Options) -> int:
    must_be_writable("--output", options.output)
    opened = OpenRun(working_tree.commit(), seed=None, rounds=options.runs)
    loads = options.loads(reached(options.target, options.timeout))
    try:
        if not _is_right(options, loads[0], run(replace(loads[0], arrivals=Closed(1, 1)))):
            return 1
        came, stopped = measured(loads)
    except ProcessError as error:
        print(f"{NAME}: the load cannot be sent: {str(error).splitlines()[-1]}", file=sys.stderr)
        return 1
    found = result(options, loads[0], came, opened.ended(stopped is not None)) if came else None
    if stopped is None:
        show(options, loads[0], pooled(came))
    failed = {"half of all requests or more": "there is no median, and nothing was written"}
    outcome = Outcome([found], {}, {}, stopped) if found else Outcome([], {}, failed, stopped)
    return hand_over(NAME, outcome, options.output) or int(bool(found and found.invalid))


def _is_right(options: Options, load: Load, first: LoadResult) -> bool:
    """Whether the first answer is; says what came."""
    if first.succeeded:
        service, connect = (
            human_ns(float(each[0])) for each in (first.service_ns, first.connect_ns)
        )
        tls = " with TLS" if load.request.tls else ""
        print(f"first request: right, in {service} after {connect} of connecting{tls}", flush=True)
        return True
    [(failure, why)] = first.why.items()
    expected = options.expected
    if failure == outcomes.name(outcomes.WRONG) and not (options.workload or options.expect):
        expected += "; say what it serves by --workload or --expect"
    said = {
        "target": f"{url(load.request)} at {load.request.address}",
        "came": why if why.startswith(failure) else f"{failure}: {why}",
        "expected": expected,
    }
    print(f"{NAME}: the first answer is not right; nothing else was sent", file=sys.stderr)
    print(*(line(name, value) for name, value in said.items()), sep="\n", file=sys.stderr)
    return False


if __name__ == "__main__":
    sys.exit(main())
