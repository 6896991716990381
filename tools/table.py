"""A table of exported documents, in the width there is: ``python -m tools.table FILE ...``."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import orjson

from benchmarks.harness.warnings import kind_of, merged
from tools.command import Parser, run
from tools.rows import GAP, Rows, across, folded, laid_out

_DURATIONS = ((1e9, " s"), (1e6, " ms"), (1e3, " us"), (1, " ns"))
_RATES = ((1e6, " M"), (1e3, " k"), (1, ""))
_NARROWEST = 40
_NAMES = 24  # characters that are left for names, whatever else there is
_ESSENTIAL = 5  # the highest rank of a column for which a long name takes a line of its own
_MANY = 200  # results, of more than which there is a summary
_INVALID = "INVALID"
_Result = Mapping[str, Any]


def human_ns(nanoseconds: float | None) -> str:
    """A duration with three digits in a unit that suits it; ``-`` for none."""
    return "-" if nanoseconds is None else _in_unit(nanoseconds, _DURATIONS)


def lines(documents: Sequence[Mapping[str, Any]], width: int, every: bool = False) -> list[str]:
    """Tables of documents, and under them what there is to be said of all.

    No line is wider than that, but for 40 characters: columns that do not fit are left out, the
    least important first, and a figure is never cut. Of many results there is a summary, unless
    every one is to have a row.
    """
    width = max(width, _NARROWEST)
    results = [result for each in documents for result in each["results"]]
    every = every or len(results) <= _MANY
    said = [text for one in results for text in _said(one)]
    notes = _by_kind(sorted(said, key=lambda text: not text.startswith(_INVALID)))
    found: list[str] = []
    for each in documents:
        own = each["results"]
        table = _table(own, width, list(notes)) if every else across(own, width, _median)
        found += [_title(each, width), *table, ""]
    of_runs = _by_kind(text for each in documents for text in each.get("warnings", ()))
    told = [f"warning: {merged(texts)}" for texts in of_runs.values()]
    for number, texts in enumerate(notes.values(), 1):
        count = f"{len(texts)} results" if len(texts) > 1 else "1 result"
        told.append(f"{f'[{number}]' if every else 'note:'} {merged(texts)} ({count})")
    if not every:
        told.append(f"{len(results)} results: `python -m tools.table --all FILE ...` tells more")
    found += [part for text in told for part in wrap(text, width, subsequent_indent="    ")]
    # A name that somebody else gave is nothing that a terminal obeys.
    return ["".join(c if c.isprintable() else "?" for c in line) for line in found]


def print_table(paths: Iterable[Path]) -> None:
    """Prints what exported files say, in the width of the terminal, or else 80."""
    documents = [orjson.loads(path.read_bytes()) for path in paths]
    print("\n".join(lines(documents, shutil.get_terminal_size().columns)))


def markdown_table(documents: Sequence[Mapping[str, Any]]) -> str:
    """All results with whatever they tell, as Markdown."""
    results = [result for document in documents for result in document["results"]]
    columns = _columns_of(results, _Column("warnings", 0, lambda one: str(len(_said(one)))))
    rows = [
        ["benchmark", *(column.heading for column in columns)],
        ["---", *["---:"] * len(columns)],
        *([one["name"], *(column.text(one) or "-" for column in columns)] for one in results),
    ]
    lined = (" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows)
    return "\n".join(f"| {line} |" for line in lined)


class _Column(NamedTuple):
    """What it says of a result, "" for nothing; the higher its rank, the sooner it is left out."""

    heading: str
    rank: int
    text: Callable[[_Result], str]


def _title(document: Mapping[str, Any], width: int) -> str:
    """As much of what the document is of as fits."""
    results, run = document["results"], document.get("run", {})
    told = (results[0]["category"], run.get("selection"), "interrupted" * run.get("interrupted", 0),
            f"commit {results[0]['metadata']['commit'][:8]}",
            re.sub(r"\.\d+", "", document["timestamp"]),
            document["system_info"]["cpu_model"])  # fmt: skip
    title = ", ".join(filter(None, told))
    while len(title) > width and ", " in title:
        title = title.rpartition(", ")[0]
    return title[:width]


def _table(results: Sequence[_Result], width: int, kinds: Sequence[str]) -> Iterator[str]:
    """A row for each; `kinds` are of the notes that they refer to by their numbers."""

    def numbers(result: _Result) -> str:
        own = _by_kind(_said(result))
        return " ".join(str(n) for n, kind in enumerate(kinds, 1) if kind in own)

    columns = _columns_of(results, _Column("notes", 4, numbers))
    cells = [[column.text(each) for column in columns] for each in results]
    headings = [column.heading for column in columns]
    taken = [GAP + max(map(len, texts)) for texts in zip(headings, *cells, strict=True)]
    beginning, rows = folded([each["name"] for each in results], cells)
    longest = max(len(beginning), *(len(name) for name, texts in rows if texts))
    essential = sum(w for w, each in zip(taken, columns, strict=True) if each.rank <= _ESSENTIAL)
    room = max(width - longest, min(essential, width - _NAMES))
    chosen = []
    for at in sorted(range(len(columns)), key=lambda at: columns[at].rank):
        if taken[at] <= room:
            chosen.append(at)
            room -= taken[at]
    chosen.sort()
    kept: Rows = [(name, [texts[at] for at in chosen if texts]) for name, texts in
                  [(beginning, headings), *rows]]  # fmt: skip
    return laid_out(kept, [taken[at] for at in chosen], width)


def _columns_of(results: Sequence[_Result], last: _Column) -> list[_Column]:
    """Those in which one of the results has something to say."""
    keys = dict.fromkeys(key for one in results for key in one["metadata"])
    ratios = [key for key in keys if re.fullmatch(r"ratio_to_.*(?<!_interval)", key)]
    columns = [
        _Column("median", 0, _median),
        _Column("p95", 9, _told("p95_ns", human_ns, "metrics")),
        _Column("p99", 2, _told("p99_ns", human_ns, "metrics")),
        *(column for key in ratios for column in _ratio(key)),
        _Column("p99/median", 7, _told("tail_to_median_ratio", _three_digits)),
        _Column("failed", 3, _failures),
        _Column("messages/s", 6, _rate),
        _Column("CPU/message", 8, _processor_time),
        _Column("samples", 10, _samples),
        _Column("processes", 11, lambda one: str(one["metadata"].get("processes") or "")),
        last,
    ]
    return [column for column in columns if any(column.text(one) for one in results)]


def _median(result: _Result) -> str:
    is_invalid = result["metadata"].get("invalid")
    return _INVALID if is_invalid else human_ns(result["metrics"]["median_ns"])


def _told(key: str, show: Callable[[Any], str], part: str = "metadata") -> Callable[[_Result], str]:
    """What stands there; nothing of what is invalid."""

    def text(result: _Result) -> str:
        value = result[part].get(key)
        return "" if value is None or result["metadata"].get("invalid") else show(value)

    return text


def _ratio(key: str) -> tuple[_Column, _Column]:
    interval = _told(f"{key}_interval", lambda ends: f"[{', '.join(map(_three_digits, ends))}]")
    heading = f"x {key.removeprefix('ratio_to_')}"
    return _Column(heading, 1, _told(key, _three_digits)), _Column("95 %", 5, interval)


def _rate(result: _Result) -> str:
    """Messages a second at the median: of a stream, or of a caller who waits for each answer."""
    if "throughput" not in result and "method" not in result["metadata"]:
        return ""
    show = _told("median_ns", lambda ns: _in_unit(1e9 / ns, _RATES) if ns else "", "metrics")
    return show(result)


def _processor_time(result: _Result) -> str:
    server_ns = result["metadata"].get("server_cpu_ns_per_message")
    return _told("client_cpu_ns_per_message", lambda ns: human_ns(ns + server_ns))(result)


def _failures(result: _Result) -> str:
    return str(sum((result["metadata"].get("failures") or {}).values()) or "")


def _samples(result: _Result) -> str:
    metadata = result["metadata"]
    return str(metadata.get("samples") or result["iterations"] // metadata["number"])


def _said(result: _Result) -> list[str]:
    metadata = result["metadata"]
    invalid = metadata.get("invalid")
    return [*([f"{_INVALID}: {invalid}"] if invalid else []), *metadata["warnings"]]


def _by_kind(texts: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in texts:
        found.setdefault(kind_of(text), []).append(text)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit status."""
    parser = Parser(prog="python -m tools.table", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--all", action="store_true",
                        help=f"a row for each result, also of more than {_MANY}")  # fmt: skip
    parser.add_argument("--markdown", action="store_true", help="all of them, as Markdown")
    documents = []
    status = 0
    options = parser.parse_args(arguments)
    for path in options.files:
        try:
            document = orjson.loads(path.read_bytes())
            markdown_table([document])
            lines([document], 80)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            why = getattr(error, "strerror", None) or f"not benchmark results: {error}"
            print(f"table: {path}: {why}", file=sys.stderr)
            status = 1
        else:
            documents.append(document)
    if documents and options.markdown:
        print(markdown_table(documents))
    elif documents:
        print("\n".join(lines(documents, shutil.get_terminal_size().columns, options.all)))
    return status


def _in_unit(value: float, units: Sequence[tuple[float, str]]) -> str:
    # 999.5 would be shown as 1000 (or 1e+03) of the smaller unit.
    scale, unit = next((each for each in units if abs(value) >= each[0] * 0.9995), units[-1])
    return f"{_three_digits(value / scale)}{unit}"


def _three_digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    if 0 < size < 0.0995:  # of ratios to something slow
        return f"{value:.4f}" if size < 0.00995 else f"{value:.3f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(run("table", main))
