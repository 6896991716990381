"""``python -m tools.performance PART [--rounds N]``

Measures the goals of one part in one sitting and prints the tables of docs/performance.md.

Exit status: 0, 1 when a part cannot be measured here, 2 for bad arguments.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from benchmarks.harness.processes import ProcessError
from benchmarks.harness.system_info import SystemInfo, environment
from tools.command import Parser
from tools.performance.goal import FEWEST_ROUNDS

PARTS = ("ring", "ipc", "cold_start", "serving", "e2e")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit status."""
    parser = Parser(
        prog="python -m tools.performance",
        description="Measure what the project promises, beside what it is measured against.",
        allow_abbrev=False,
    )
    parser.add_argument("part", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="6 or more; default 10")
    options = parser.parse_args(arguments)
    if options.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds {options.rounds}: an interval needs at least {FEWEST_ROUNDS}")
    info = SystemInfo.collect()
    part = importlib.import_module(f"tools.performance.{options.part}")
    try:
        lines = part.measure(options.rounds)
    except (NotImplementedError, ProcessError, RuntimeError, OSError) as error:
        print(f"performance: {options.part}: {error}", file=sys.stderr)
        return 1
    print(f"{info.cpu_model}, {info.cpu_cores} cores, Linux {info.kernel_version}; {environment()}")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
