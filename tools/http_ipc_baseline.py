"""The traditional ways alone: ``python -m tools.http_ipc_baseline [--iterations N] [--output DIR]``

HTTP + JSON (a new connection for each request), a Unix socket and TCP, between two real processes,
through the contract, the sampling and the report of the ipc suite. Writes
``ipc_baseline_<timestamp>.json`` in the standard form.

Exit status: 0, 1 when a method failed (the rest is written), 2 for bad arguments, 128 and the
signal's number when interrupted (nothing is written).
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.harness.measurement import MachineState
from benchmarks.harness.processes import ProcessError, Task, available_cpus, run_fresh
from benchmarks.ipc import SIZES, TIMEOUT_S, WARMUP
from benchmarks.transports.sampling import cpu_per_message
from tools import baseline

METHODS = ("http_json", "unix_socket", "tcp")
PAIRS = 3
SEED = 20261124


def measure(iterations: int) -> baseline.Measured:
    """Measures all methods in turn, by three process pairs each.

    Args:
        iterations: round trips that each pair times at each size.

    Returns:
        The results in the standard form, nothing that is missing, and what failed.
    """
    available = available_cpus()
    if len(available) < 2:
        return [], [], ["two processes need two processors, this machine gives one"]
    state = MachineState()
    draw = np.random.default_rng(SEED)
    blocks: dict[tuple[str, int], list[dict[str, Any]]] = {}
    failed: dict[str, str] = {}
    plan = [str(method) for _ in range(PAIRS) for method in draw.permutation(METHODS)]
    for method in track(plan, "measuring"):
        order = [int(size) for size in draw.permutation(SIZES)]
        arguments = {
            "method": method, "sizes": order, "count": iterations, "warmup": WARMUP,
            "server_cpu": available[-1],
        }  # fmt: skip
        task = Task("benchmarks.transports.sampling:roundtrips", arguments, available[0])
        try:
            found = run_fresh(task, TIMEOUT_S + iterations * 0.1)
        except (NotImplementedError, ProcessError) as error:
            failed[method] = f"{method}: {error}"
            continue
        for size, one in found.items():
            blocks.setdefault((method, int(size)), []).append(one)
    noted = state.as_dict()
    results = [
        _result(method, size, blocks[method, size], noted)
        for method in METHODS
        for size in SIZES
        if method not in failed and (method, size) in blocks
    ]
    return results, [], list(failed.values())


def _result(
    method: str, size: int, sets: list[dict[str, Any]], environment: dict[str, Any]
) -> dict[str, Any]:
    metadata = {
        "benchmark": "tools.http_ipc_baseline",
        "method": method,
        "payload_size_bytes": size,
        "wait": "blocking",
        "order_seed": SEED,
        **cpu_per_message(sets),
    }
    return baseline.result(f"ipc_{method}_{size}", "ipc", sets, environment, metadata)


SCRIPT = baseline.Script(
    name="http_ipc_baseline",
    description="Measure HTTP + JSON, a Unix socket and TCP between two processes.",
    prefix="ipc_baseline",
    iterations=100,
    iterations_help="round trips that each of three process pairs times",
    measure=measure,
)

if __name__ == "__main__":
    sys.exit(SCRIPT.main())
