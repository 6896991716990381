"""What the baseline scripts have in common: arguments, the result's form, the file, the table."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.measurement import warnings_of
from benchmarks.harness.metrics import LatencyMetrics
from benchmarks.harness.system_info import SystemInfo
from tools import report, working_tree
from tools.command import Parser, Stopped, can_be_written, iteration_count, stopped_by_signals
from tools.table import print_table

# Results in the standard form, a line for each thing that this machine lacks, and one for each that
# failed.
Measured = tuple[list[dict[str, Any]], list[str], list[str]]


@dataclass(frozen=True, slots=True)
class Script:
    """One of the scripts.

    Attributes:
        name: of its module in this folder.
        description: for --help.
        prefix: of the file that it writes.
        iterations: the standard number of them.
        iterations_help: what they are.
        measure: called with that number.
    """

    name: str
    description: str
    prefix: str
    iterations: int
    iterations_help: str
    measure: Callable[[int], Measured]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Runs it; gives the exit status."""
        parser = Parser(
            prog=f"python -m tools.{self.name}", description=self.description, allow_abbrev=False
        )
        parser.add_argument(
            "--iterations", type=iteration_count, default=self.iterations, metavar="N",
            help=f"{self.iterations_help}; default {self.iterations}",
        )  # fmt: skip
        parser.add_argument(
            "--output", type=Path, default=Path("data"), metavar="DIR", help="default: data"
        )
        options = parser.parse_args(arguments)
        if not can_be_written(options.output):
            parser.error(f"--output {options.output}: cannot be made or written to; name another")
        began_ms = time.time_ns() // 1_000_000
        try:
            with stopped_by_signals():
                results, missing, failed = self.measure(options.iterations)
        except Stopped as stopped:
            print(f"{self.name}: interrupted; nothing was written", file=sys.stderr)
            return 128 + stopped.number
        for line in missing:
            print(f"n/a: {line}")
        for line in failed:
            print(f"{self.name}: {line}", file=sys.stderr)
        if results:
            document = report.build_document(
                report.timestamp_of(began_ms), SystemInfo.collect().as_dict(), results
            )
            [(path, state)] = report.write_documents(
                options.output, [report.encode(self.prefix, document)]
            )
            print(f"{state}: {path}")
            print_table([path])
        return 1 if failed or not results else 0


def result(
    name: str,
    category: str,
    sets: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
    metadata: Mapping[str, Any],
) -> dict[str, Any]:
    """A result in the standard form.

    Args:
        name, category: of it.
        sets: a `sample_set` of each process, each sample of one operation.
        environment: `MachineState.as_dict()`.
        metadata: what only this script has to say.
    """
    samples = [np.array(one["samples_ns"]) for one in sets]
    clock_cost_ns = float(np.median([one["clock_cost_ns"] for one in sets]))
    count = sum(map(len, samples))
    return {
        "name": name,
        "category": category,
        "iterations": count,
        "metrics": LatencyMetrics.from_samples(np.concatenate(samples)).as_dict(),
        "metadata": {
            "sampling": "per_operation",
            "samples": count,
            "number": 1,
            "processes": len(sets),
            "samples_per_process": len(samples[0]),
            "clock_cost_ns": clock_cost_ns,
            "commit": commit(),
            "environment": dict(environment),
            **metadata,
            "warnings": warnings_of(
                samples, "per_operation", clock_cost_ns, environment["steal_seconds"]
            ),
        },
    }


def commit() -> str:
    """The hash of this tree's commit; "unknown" without one, or without git."""
    try:
        return working_tree.commit()
    except working_tree.NoCommitError:
        return "unknown"
