"""The traditional ways alone: ``python -m tools.http_ipc_baseline [--iterations N] [--output DIR]``

HTTP + JSON (a new connection for each request), a Unix socket and TCP, between two real processes,
through the contract, the sampling and the report of the ipc suite. Writes
``ipc_baseline_<timestamp>.json`` in the standard form.

Exit status: 0, 1 when a method failed (the rest is written), 2 for bad arguments, 128 and the
signal's number when interrupted (nothing is written).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from benchmarks.baselines.sampling import cpu_per_message
from benchmarks.harness.measurement import MachineState, warnings_of
from benchmarks.harness.metrics import LatencyMetrics
from benchmarks.harness.processes import ProcessError, Task, available_cpus, run_fresh
from benchmarks.harness.system_info import SystemInfo
from benchmarks.ipc import SIZES, TIMEOUT_S, WARMUP
from tools import report
from tools.command import Parser, Stopped, can_be_written, stopped_by_signals
from tools.table import print_table

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("http_json", "unix_socket", "tcp")
PAIRS = 3
SEED = 20261124


def measure(iterations: int) -> tuple[list[dict[str, Any]], list[str]]:
    """Measures all methods in turn, by three process pairs each.

    Args:
        iterations: round trips that each pair times at each size.

    Returns:
        The results in the standard form, and what failed.
    """
    available = available_cpus()
    if len(available) < 2:
        return [], ["two processes need two processors, this machine gives one"]
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
        task = Task("benchmarks.baselines.sampling:roundtrips", arguments, available[0])
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
    return results, list(failed.values())


def _result(
    method: str, size: int, sets: list[dict[str, Any]], environment: dict[str, Any]
) -> dict[str, Any]:
    samples = [np.array(one["samples_ns"]) for one in sets]
    clock_cost_ns = float(np.median([one["clock_cost_ns"] for one in sets]))
    metrics = LatencyMetrics.from_samples(np.concatenate(samples))
    return {
        "name": f"ipc_{method}_{size}",
        "category": "ipc",
        "iterations": sum(map(len, samples)),
        "metrics": metrics.as_dict(),
        "metadata": {
            "benchmark": "tools.http_ipc_baseline",
            "method": method,
            "payload_size_bytes": size,
            "wait": "blocking",
            "sampling": "per_operation",
            "samples": sum(map(len, samples)),
            "number": 1,
            "processes": len(sets),
            "samples_per_process": len(samples[0]),
            "clock_cost_ns": clock_cost_ns,
            "commit": _commit(),
            "order_seed": SEED,
            "environment": environment,
            **cpu_per_message(sets),
            "warnings": warnings_of(
                samples, "per_operation", clock_cost_ns, environment["steal_seconds"]
            ),
        },
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = Parser(
        prog="python -m tools.http_ipc_baseline",
        description="Measure HTTP + JSON, a Unix socket and TCP between two processes.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--iterations", type=int, default=100, metavar="N",
        help="round trips that each of three process pairs times; default 100",
    )  # fmt: skip
    parser.add_argument(
        "--output", type=Path, default=Path("data"), metavar="DIR", help="default: data"
    )
    options = parser.parse_args(arguments)
    if options.iterations < 1:
        parser.error(f"--iterations {options.iterations}: give a number of 1 or more")
    if not can_be_written(options.output):
        parser.error(f"--output {options.output}: cannot be made or written to; name another")
    began_ms = time.time_ns() // 1_000_000
    try:
        with stopped_by_signals():
            results, failed = measure(options.iterations)
    except Stopped as stopped:
        print("http_ipc_baseline: interrupted; nothing was written", file=sys.stderr)
        return 128 + stopped.number
    for line in failed:
        print(f"http_ipc_baseline: {line}", file=sys.stderr)
    if results:
        document = report.build_document(
            report.timestamp_of(began_ms), SystemInfo.collect().as_dict(), results
        )
        [(path, state)] = report.write_documents(
            options.output, [report.encode("ipc_baseline", document)]
        )
        print(f"{state}: {path}")
        print_table([path])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
