"""The traditional ways alone: ``python -m tools.http_ipc_baseline [--iterations N] [--rounds N]``

HTTP + JSON (a new connection for each request), a Unix socket and TCP, between two real processes,
as the ipc suite measures them. Writes ``ipc_baseline_<timestamp>.json`` in the standard form.

Exit status: as that of `tools.run_benchmarks`.
"""

from __future__ import annotations

import sys

from benchmarks.harness.row import Row
from tools.baseline import Script
from tools.command import run

METHODS = ("http_json", "unix_socket", "tcp")


def rows() -> list[Row]:
    """What is measured."""
    from benchmarks import ipc

    return [ipc.RoundTrip.row_of(method, size) for method in METHODS for size in ipc.SIZES]


SCRIPT = Script(
    name="http_ipc_baseline",
    description="Measure HTTP + JSON, a Unix socket and TCP between two processes.",
    prefix="ipc_baseline",
    iterations=100,
    rows=rows,
)

if __name__ == "__main__":
    sys.exit(run(SCRIPT.name, SCRIPT.main))
