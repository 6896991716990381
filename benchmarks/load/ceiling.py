"""How much the generator can do: ``python -m benchmarks.load.ceiling [--seconds S]``

The highest constant rate whose lag is valid, against a server in C that answers at once: the
generator's own limit on this machine, in its present state. No server can be seen beyond it.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass

from benchmarks.harness.noop_server import noop_server
from benchmarks.harness.processes import ProcessError, available_cpus
from benchmarks.load.arrivals import constant
from benchmarks.load.request import Request
from benchmarks.load.run import Load, run

LOWEST_PER_S = 1000.0
HIGHEST_PER_S = 200_000.0
CLOSE_ENOUGH = 1.05
ATTEMPTS = 3
CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class Trial:
    """One short run.

    Attributes:
        rate_per_s: that was asked for.
        lag_p99_ns: the generator's.
        failed: requests without a right answer.
        holds: whether the rate counts as reached.
    """

    rate_per_s: float
    lag_p99_ns: float
    failed: int
    holds: bool


def ceiling(run_s: float = 2.0) -> list[Trial]:
    """Doubles the rate until it does not hold, then halves the gap until it is below 5 %.

    A rate gets three attempts: other programs can make a generator late, and nothing can make it
    faster than it is. Generator and server are pinned to the first and the last processor.

    Args:
        run_s: how long each run sends.

    Returns:
        Every run, in order; the highest rate that holds is the ceiling.

    Raises:
        NotImplementedError: no C compiler.
        ProcessError: a run failed.
    """
    cpus = available_cpus()
    trials: list[Trial] = []
    with noop_server(cpus[-1]) as port:

        def holds(rate_per_s: float) -> bool:
            for _ in range(ATTEMPTS):
                trials.append(attempt(port, rate_per_s, run_s, cpus[0]))
                if trials[-1].holds:
                    return True
            return False

        low, high = 0.0, LOWEST_PER_S
        while high <= HIGHEST_PER_S and holds(high):
            low, high = high, 2 * high
        while low and high / low > CLOSE_ENOUGH:
            middle = (low * high) ** 0.5
            low, high = (middle, high) if holds(middle) else (low, middle)
    return trials


def attempt(port: int, rate_per_s: float, run_s: float, cpu: int) -> Trial:
    load = Load(
        request=Request("127.0.0.1", port),
        arrivals=constant(rate_per_s, run_s),
        connections_before=CONNECTIONS,
    )
    came = run(load, cpu)
    failed = came.requests - came.succeeded
    return Trial(rate_per_s, came.lag_p99_ns, failed, came.invalid is None and not failed)


def main() -> int:
    """Measure and print; gives the exit status."""
    parser = argparse.ArgumentParser(prog="ceiling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each run (2)")
    seconds = parser.parse_args().seconds
    if not 0.1 <= seconds <= 600:
        print(f"ceiling: --seconds {seconds}: give 0.1 to 600", file=sys.stderr)
        return 2
    print("load average at the start: " + " ".join(f"{each:.2f}" for each in os.getloadavg()))
    try:
        trials = ceiling(seconds)
    except (NotImplementedError, ProcessError) as error:
        print(f"ceiling: {error}", file=sys.stderr)
        return 1
    for each in trials:
        word = "holds" if each.holds else "late" if not each.failed else f"{each.failed} failed"
        print(f"{each.rate_per_s:9.0f} /s   lag p99 {each.lag_p99_ns / 1e3:10.1f} us   {word}")
    if held := [each.rate_per_s for each in trials if each.holds]:
        print(f"ceiling: {max(held):.0f} requests a second")
    else:
        print(f"ceiling: not even {LOWEST_PER_S:.0f} requests a second: is the machine busy?")
    return 0


if __name__ == "__main__":
    sys.exit(main())
