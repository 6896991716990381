"""Cold starts: ``python -m tools.cold_start_baseline [--iterations N] [--output DIR]``

A Python spawn, bare and with heavier imports, an HTTP handler, a simulated Lambda (fixed sleeps,
held against nothing), the real baselines and the runtime's own strategies, through the sampling and
the report of the cold_start suite. Writes ``cold_start_baseline_<timestamp>.json`` in the standard
form.

What this machine lacks is n/a, with the reason.

Exit status: 0, 1 when a case failed (the rest is written) or nothing was measured, 2 for bad
arguments, 128 and the signal's number when interrupted (nothing is written).
"""

from __future__ import annotations

import sys
from typing import Any

from rich.progress import Progress

from benchmarks import cold_start
from benchmarks.cold_start import OTHERS, OWN, SIMULATED, Case
from benchmarks.harness.measurement import MachineState
from benchmarks.harness.sitting import ROUNDS, sets_of
from tools import baseline

CASES = (
    Case("spawn", "bare"),
    Case("spawn", "numpy"),
    Case("spawn", "web"),
    *(Case(name, "http") for name in (*OWN, *OTHERS, SIMULATED)),
    Case("zygote", "numpy"),
    Case("criu", "numpy"),
    Case("zygote", "http", burst=16),
)
UNTIL = {
    "ready": "cold_start",
    "first_response": "cold_start_first_response",
    "last_ready": "cold_start_last_ready",
}


def measure(iterations: int) -> baseline.Measured:
    """Measures all cases in turn, in six fresh processes each.

    Args:
        iterations: starts that each of them times.
    """
    state = MachineState()
    with Progress(transient=True) as progress:
        task = progress.add_task("measuring", total=ROUNDS * len(CASES))

        def show(name: str) -> None:
            progress.update(task, advance=1, description=name)

        cache = cold_start.sitting(CASES, ROUNDS, iterations, show)
    environment = state.as_dict()
    results: list[dict[str, Any]] = []
    missing: list[str] = []
    failed: list[str] = []
    for case in CASES:
        found = cache["measured"][case.name]
        if "missing" in found:
            missing.append(f"{case.name}: {found['missing']}")
            continue
        if "failed" in found:
            failed.append(found["failed"])
            continue
        for until, stem in UNTIL.items():
            if until not in found["parts"]:  # of bursts only
                continue
            metadata = {
                "benchmark": "tools.cold_start_baseline",
                **cold_start.metadata_of(cache, case.name, until),
            }
            sets = sets_of(cache["measured"], case.name, until)
            name = f"{stem}_{case.name}"
            results.append(baseline.result(name, "cold_start", sets, environment, metadata))
    return results, missing, failed


SCRIPT = baseline.Script(
    name="cold_start_baseline",
    description="Measure cold starts: fresh interpreters, real baselines, the runtime's own.",
    prefix="cold_start_baseline",
    iterations=20,
    iterations_help="starts that each of six processes times, whole bursts of them",
    measure=measure,
)

if __name__ == "__main__":
    sys.exit(SCRIPT.main())
