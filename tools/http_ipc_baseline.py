"""The traditional ways alone: ``python -m tools.http_ipc_baseline [--iterations N] [--rounds N]``

HTTP + JSON (a new connection for each request), a Unix socket and TCP, between two real processes,
as the ipc suite measures them. Writes ``ipc_baseline_<timestamp>.json`` in the standard form.

Exit status: as that of `tools.run_benchmarks`.
"""

from __future__ import annotations

import sys
from functools import partial

from benchmarks.harness.row import Row
from tools.command import run
from tools.measuring import script

NAME = "http_ipc_baseline"
METHODS = ("http_json", "unix_socket", "tcp")


def rows() -> list[Row]:
    """What is measured."""
    from benchmarks import ipc

    return [ipc.RoundTrip.row_of(method, size) for method in METHODS for size in ipc.SIZES]


_WHAT = "Measure HTTP + JSON, a Unix socket and TCP between two processes."
main = partial(script, NAME, _WHAT, "ipc_baseline", 100, rows)

if __name__ == "__main__":
    sys.exit(run(NAME, main))
