"""A terminal table of exported documents: ``python -m tools.table FILE ...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))


def human_ns(nanoseconds: float | None) -> str:
    """A duration with three digits in a unit that suits it; ``-`` for none."""
    if nanoseconds is None:
        return "-"
    for scale, unit in _UNITS:
        # 999.5 would be shown as 1000 (or 1e+03) of the smaller unit.
        if abs(nanoseconds) >= scale * 0.9995:
            return f"{_three_digits(nanoseconds / scale)} {unit}"
    return f"{_three_digits(nanoseconds)} ns"


def results_table(documents: Iterable[Mapping[str, Any]], title: str | None = None) -> Table:
    """One row for each result of the documents."""
    table = Table(title=title)
    table.add_column("benchmark", no_wrap=True)
    for heading in ("median", "p95", "p99", "samples", "processes", "warnings"):
        table.add_column(heading, justify="right", no_wrap=True)
    for document in documents:
        for result in document["results"]:
            metrics, metadata = result["metrics"], result["metadata"]
            samples = metadata.get("samples")
            if samples is None:
                samples = result["iterations"] // metadata.get("number", 1)
            processes = metadata.get("processes")
            table.add_row(
                result["name"],
                human_ns(metrics["median_ns"]),
                human_ns(metrics.get("p95_ns")),
                human_ns(metrics.get("p99_ns")),
                str(samples),
                "-" if processes is None else str(processes),
                str(len(metadata["warnings"])),
            )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.table", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    documents = []
    status = 0
    for path in parser.parse_args(arguments).files:
        try:
            document = orjson.loads(path.read_bytes())
            results_table([document])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            print(f"table: {path}: not a benchmark result file: {error}", file=sys.stderr)
            status = 1
            continue
        documents.append(document)
    if documents:
        _print(documents)
    return status


def print_table(paths: Iterable[Path]) -> None:
    """Print what exported files say."""
    _print([orjson.loads(path.read_bytes()) for path in paths])


def _print(documents: Sequence[Mapping[str, Any]]) -> None:
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(results_table(documents))


def _three_digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
