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

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"))
_GAP = 2
_NARROWEST = 40
_NAMES = 24  # characters that are left for names, whatever else there is
_ESSENTIAL = 5  # the highest rank of a column for which a long name takes a line of its own
_WORTH_A_LINE = 12  # characters that are not said again
_INVALID = "INVALID"
_Result = Mapping[str, Any]
_Rows = list[tuple[str, Sequence[str]]]  # what stands in the first column, and in the others


def human_ns(nanoseconds: float | None) -> str:
    """A duration with three digits in a unit that suits it; ``-`` for none."""
    if nanoseconds is None:
        return "-"
    for scale, unit in _UNITS:
        # 999.5 would be shown as 1000 (or 1e+03) of the smaller unit.
        if abs(nanoseconds) >= scale * 0.9995:
            return f"{_three_digits(nanoseconds / scale)} {unit}"
    return f"{_three_digits(nanoseconds)} ns"


def lines(
    documents: Sequence[Mapping[str, Any]], width: int, missing: Mapping[str, str] | None = None
) -> list[str]:
    """Tables of documents, a row for each result, and under them what there is to be said of all.

    Columns that do not fit are left out, the least important first; a figure is never cut. A
    beginning that names have in common is said once.

    Args:
        documents: in the standard form.
        width: in characters, which no line exceeds; at least 40.
        missing: why rows that were asked for are not there, by their names.
    """
    width = max(width, _NARROWEST)
    said = [text for each in documents for one in each["results"] for text in _said(one)]
    notes = _by_kind(sorted(said, key=lambda text: not text.startswith(_INVALID)))
    found: list[str] = []
    for each in documents:
        found += [*_table(each, width, list(notes)), ""]
    of_runs = _by_kind(text for each in documents for text in each.get("warnings", ()))
    told = [f"warning: {merged(texts)}" for texts in of_runs.values()]
    for number, texts in enumerate(notes.values(), 1):
        count = f"{len(texts)} results" if len(texts) > 1 else "1 result"
        told.append(f"[{number}] {merged(texts)} ({count})")
    by_reason: dict[str, list[str]] = {}
    for name, reason in (missing or {}).items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        told.append(f"n/a: {reason}: {names[0]}{more}")
    found += [part for text in told for part in wrap(text, width, subsequent_indent="    ")]
    # A name that somebody else gave is nothing that a terminal obeys.
    return ["".join(c if c.isprintable() else "?" for c in line) for line in found]


def print_results(
    documents: Sequence[Mapping[str, Any]],
    width: int | None = None,
    missing: Mapping[str, str] | None = None,
) -> None:
    """Prints what `lines` gives, in the width of the terminal, or else 80, unless told."""
    print("\n".join(lines(documents, width or shutil.get_terminal_size().columns, missing)))


def print_table(paths: Iterable[Path]) -> None:
    """Prints what exported files say."""
    print_results([orjson.loads(path.read_bytes()) for path in paths])


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


def _table(document: Mapping[str, Any], width: int, kinds: Sequence[str]) -> Iterator[str]:
    """Of one document; `kinds` are of the notes that results refer to by their numbers."""
    results = document["results"]
    run, metadata = document.get("run", {}), results[0]["metadata"]
    told = (results[0]["category"], run.get("selection"), "interrupted" * run.get("interrupted", 0),
            f"commit {metadata['commit'][:8]}", re.sub(r"\.\d+", "", document["timestamp"]),
            document["system_info"]["cpu_model"])  # fmt: skip
    title, *rest = filter(None, told)
    for each in rest:
        if len(f"{title}, {each}") > width:
            break
        title = f"{title}, {each}"
    yield title[:width]

    def numbers(result: _Result) -> str:
        own = _by_kind(_said(result))
        return " ".join(str(n) for n, kind in enumerate(kinds, 1) if kind in own)

    columns = _columns_of(results, _Column("notes", 4, numbers))
    cells = [[column.text(each) for column in columns] for each in results]
    widths = [
        max(len(text) for text in (column.heading, *texts))
        for column, texts in zip(columns, zip(*cells, strict=True), strict=True)
    ]
    beginning, rows = _folded([each["name"] for each in results], cells)
    longest = max(len(beginning), *(len(name) for name, texts in rows if texts))
    taken = [_GAP + each for each in widths]
    essential = sum(w for w, each in zip(taken, columns, strict=True) if each.rank <= _ESSENTIAL)
    room = max(width - longest, min(essential, width - _NAMES))
    chosen = []
    for at in sorted(range(len(columns)), key=lambda at: columns[at].rank):
        if taken[at] <= room:
            chosen.append(at)
            room -= taken[at]
    chosen.sort()
    first = min(longest, width - sum(taken[at] for at in chosen))
    for name, texts in [(beginning, [column.heading for column in columns]), *rows]:
        while len(name) > (first if texts else width):
            yield name[:width]
            name = name[width:]
        figures = "".join(f"{texts[at]:>{taken[at]}}" for at in chosen if texts)
        yield f"{name:{first}}{figures}".rstrip()


def _folded(names: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[str, _Rows]:
    """What all names begin with, and the rows: beginnings that several share stand above them."""
    words = [re.findall(r"[^_]*_|[^_]+", name) for name in names]
    shared = 0
    if len(names) > 1:
        fewest = min(map(len, words)) - 1
        while shared < fewest and len({each[shared] for each in words}) == 1:
            shared += 1
    beginning = "".join(words[0][:shared])
    left = [each[shared:] for each in words]
    rows: _Rows = []
    at = 0
    while at < len(left):
        count, length = _group(left[at:])
        indent = "  "
        if length:
            rows.append((indent + "".join(left[at][:length]), ()))
            indent *= 2
        for each in range(at, at + count):
            rows.append((indent + "".join(left[each][length:]), cells[each]))
        at += count
    return beginning, rows


def _group(names: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many of the first names to put together, and how many of their words are above them."""
    best, found = 0, (1, 0)
    for length in range(1, len(names[0])):
        count = 0
        for each in names:
            if len(each) <= length or each[:length] != names[0][:length]:
                break
            count += 1
        saved = (count - 1) * len("".join(names[0][:length]))
        if saved >= _WORTH_A_LINE and saved > best:
            best, found = saved, (count, length)
    return found


def _columns_of(results: Sequence[_Result], last: _Column) -> list[_Column]:
    """Those in which one of the results has something to say."""
    keys = dict.fromkeys(key for one in results for key in one["metadata"])
    ratios = [key for key in keys if re.fullmatch(r"ratio_to_.*(?<!_interval)", key)]
    columns = [
        _Column("median", 0, _median),
        _Column("p95", 9, _metric("p95_ns")),
        _Column("p99", 2, _metric("p99_ns")),
        *(column for key in ratios for column in _ratio(key)),
        _Column("p99/median", 7, _tail),
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


def _figure(text: Callable[[_Result], str]) -> Callable[[_Result], str]:
    """Nothing is told of what is invalid."""
    return lambda result: "" if result["metadata"].get("invalid") else text(result)


def _metric(key: str) -> Callable[[_Result], str]:
    return _figure(lambda one: human_ns(one["metrics"][key]) if key in one["metrics"] else "")


def _ratio(key: str) -> tuple[_Column, _Column]:
    def ratio(result: _Result) -> str:
        value = result["metadata"].get(key)
        return "" if value is None else _three_digits(value)

    def interval(result: _Result) -> str:
        values = result["metadata"].get(f"{key}_interval")
        return "" if values is None else f"[{', '.join(map(_three_digits, values))}]"

    heading = f"x {key.removeprefix('ratio_to_')}"
    return _Column(heading, 1, _figure(ratio)), _Column("95 %", 5, _figure(interval))


@_figure
def _rate(result: _Result) -> str:
    """Messages a second at the median: of a stream, or of a caller who waits for each answer."""
    median_ns = result["metrics"]["median_ns"]
    if not median_ns or ("throughput" not in result and "method" not in result["metadata"]):
        return ""
    for scale, unit in ((1e6, " M"), (1e3, " k")):
        if 1e9 / median_ns >= scale:
            return f"{_three_digits(1e9 / median_ns / scale)}{unit}"
    return _three_digits(1e9 / median_ns)


@_figure
def _processor_time(result: _Result) -> str:
    keys = ("client_cpu_ns_per_message", "server_cpu_ns_per_message")
    metadata = result["metadata"]
    return human_ns(sum(metadata[key] for key in keys)) if keys[0] in metadata else ""


@_figure
def _tail(result: _Result) -> str:
    ratio = result["metadata"].get("tail_to_median_ratio")
    return "" if ratio is None else _three_digits(ratio)


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
    parser.add_argument("--markdown", action="store_true", help="print it as Markdown")
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
            continue
        documents.append(document)
    if documents and options.markdown:
        print(markdown_table(documents))
    elif documents:
        print_results(documents)
    return status


def _three_digits(value: float) -> str:
    size = abs(value)
    if size >= 99.95:
        return f"{value:.0f}"
    if 0 < size < 0.0995:  # of ratios to something slow
        return f"{value:.4f}" if size < 0.00995 else f"{value:.3f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(run("table", main))
