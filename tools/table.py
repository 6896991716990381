"""A terminal table of exported documents: ``python -m tools.table FILE ...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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


def results_table(documents: Sequence[Mapping[str, Any]], width: int | None = None) -> Table:
    """One row for each result of the documents, with a column for whatever they tell.

    Args:
        documents: in the standard form.
        width: of the terminal; whole columns are left out rather than figures cut short, the least
            important first. None leaves nothing out.
    """
    headings, rows = _cells(documents)
    for heading in _DISPENSABLE:
        if width is None or _width(headings, rows) <= width:
            break
        if heading in headings:
            at = headings.index(heading)
            headings = headings[:at] + headings[at + 1 :]
            rows = [row[:at] + row[at + 1 :] for row in rows]
    table = Table()
    for heading in headings:
        table.add_column(heading, justify="right" if table.columns else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(documents: Sequence[Mapping[str, Any]]) -> str:
    """The same as Markdown."""
    headings, rows = _cells(documents)
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(documents: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    results = [result for document in documents for result in document["results"]]
    columns = [column for column in _COLUMNS if any(column.text(one) for one in results)]
    headings = ["benchmark", *(column.heading for column in columns)]
    rows = [[one["name"], *(column.text(one) or "-" for column in columns)] for one in results]
    return headings, rows


def _width(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    widest = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return sum(width + 3 for width in widest) + 1


@dataclass(frozen=True)
class _Column:
    heading: str
    text: Callable[[Mapping[str, Any]], str]  # "" where a result has nothing to say


def _metric(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda result: human_ns(result["metrics"][key]) if key in result["metrics"] else ""


def _rate(result: Mapping[str, Any]) -> str:
    """Messages a second at the median: of a stream, or of a caller who waits for each answer."""
    if "throughput" not in result and "method" not in result["metadata"]:
        return ""
    rate = 1e9 / result["metrics"]["median_ns"]
    for scale, unit in ((1e6, " M"), (1e3, " k")):
        if rate >= scale:
            return f"{_three_digits(rate / scale)}{unit}"
    return _three_digits(rate)


def _processor_time(result: Mapping[str, Any]) -> str:
    keys = ("client_cpu_ns_per_message", "server_cpu_ns_per_message")
    metadata = result["metadata"]
    return human_ns(sum(metadata[key] for key in keys)) if keys[0] in metadata else ""


def _ratio_to(what: str) -> Callable[[Mapping[str, Any]], str]:
    def text(result: Mapping[str, Any]) -> str:
        metadata = result["metadata"]
        ratio = metadata.get(f"ratio_to_{what}")
        if ratio is None:
            return ""
        interval = metadata.get(f"ratio_to_{what}_interval")
        between = "" if interval is None else f" [{', '.join(map(_three_digits, interval))}]"
        return f"{_three_digits(ratio)}{between}"

    return text


def _tail(result: Mapping[str, Any]) -> str:
    ratio = result["metadata"].get("tail_to_median_ratio")
    return "" if ratio is None else _three_digits(ratio)


def _failures(result: Mapping[str, Any]) -> str:
    failures = result["metadata"].get("failures")
    return "" if failures is None else str(sum(failures.values()))


def _samples(result: Mapping[str, Any]) -> str:
    metadata = result["metadata"]
    return str(metadata.get("samples", result["iterations"] // metadata.get("number", 1)))


# Left out of a narrow terminal, in this order.
_DISPENSABLE = (
    "processes",
    "samples",
    "p95",
    "x floor [95 %]",
    "CPU/message",
    "warnings",
    "p99",
    "messages/s",
    "failed",
    "p99/median",
)
_FREE = 250

_COLUMNS = (
    _Column("median", _metric("median_ns")),
    _Column("p95", _metric("p95_ns")),
    _Column("p99", _metric("p99_ns")),
    _Column("messages/s", _rate),
    _Column("CPU/message", _processor_time),
    _Column("x floor [95 %]", _ratio_to("floor")),
    _Column("x ring [95 %]", _ratio_to("ring")),
    _Column("x spawn [95 %]", _ratio_to("spawn")),
    _Column("p99/median", _tail),
    _Column("failed", _failures),
    _Column("samples", _samples),
    _Column("processes", lambda result: str(result["metadata"].get("processes") or "")),
    _Column("warnings", lambda result: str(len(result["metadata"]["warnings"]))),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.table", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--markdown", action="store_true", help="print it as Markdown")
    documents = []
    status = 0
    options = parser.parse_args(arguments)
    for path in options.files:
        try:
            document = orjson.loads(path.read_bytes())
            results_table([document])
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            print(f"table: {path}: not a benchmark result file: {error}", file=sys.stderr)
            status = 1
            continue
        documents.append(document)
    if documents and options.markdown:
        print(markdown_table(documents))
    elif documents:
        _print(documents)
    return status


def print_table(paths: Iterable[Path]) -> None:
    """Print what exported files say."""
    _print([orjson.loads(path.read_bytes()) for path in paths])


def _print(documents: Sequence[Mapping[str, Any]]) -> None:
    console = Console()
    width = console.width if console.is_terminal else None
    if width is None:
        console = Console(width=_FREE)
    by_category: dict[str, list[Mapping[str, Any]]] = {}
    for document in documents:
        by_category.setdefault(document["results"][0]["category"], []).append(document)
    for together in by_category.values():
        console.print(results_table(together, width))


def _three_digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    if 0 < size < 0.0995:  # of ratios to something slow
        return f"{value:.4f}" if size < 0.00995 else f"{value:.3f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
