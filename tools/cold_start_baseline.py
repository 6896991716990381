"""Cold starts: ``python -m tools.cold_start_baseline [--iterations N] [--rounds N] [--output DIR]``

A Python spawn, bare and with heavier imports, an HTTP handler, a simulated Lambda (fixed sleeps,
held against nothing), the real baselines and the runtime's own strategies, as the cold_start suite
measures them. Writes ``cold_start_baseline_<timestamp>.json`` in the standard form.

Exit status: as that of `tools.run_benchmarks`.
"""

from __future__ import annotations

import sys
from functools import partial

from benchmarks.harness.row import Row
from tools.command import run
from tools.measuring import script

NAME = "cold_start_baseline"


def rows() -> list[Row]:
    """What is measured."""
    from benchmarks.cold_start import STEMS, WAYS, Burst, FirstResponse, Ready

    cases = (
        *(("spawn", imports) for imports in ("bare", "numpy", "web")),
        *((way, "http") for way in WAYS),
        *((way, "numpy") for way in ("zygote", "criu")),
    )
    alone = [suite.row_of(*case) for case in cases for suite in (Ready, FirstResponse)]
    return [*alone, *(Burst.row_of("zygote", 16, until) for until in STEMS)]


_WHAT = "Measure cold starts: fresh interpreters, real baselines, the runtime's own."
main = partial(script, NAME, _WHAT, NAME, 20, rows)

if __name__ == "__main__":
    sys.exit(run(NAME, main))
