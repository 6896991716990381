"""Rows of a table: folded where their names begin alike, or with one parameter going across."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from textwrap import wrap
from typing import Any, TypeAlias

GAP = 2
_WORTH_A_LINE = 12  # characters that are not said again
_NARROWEST = 4  # that the first column gets beside others
_KEPT = "\0"  # a space at which no line is broken
_Result: TypeAlias = Mapping[str, Any]
_Figure: TypeAlias = Callable[[_Result], str]
Rows: TypeAlias = list[tuple[str, Sequence[str]]]  # what stands in the first column, and the others


def laid_out(rows: Rows, widths: Sequence[int], width: int) -> Iterator[str]:
    """The lines of rows, of which the headings are the first, where columns have these widths.

    A row without figures has a line of its own, and so has a name that takes too much room.
    """
    room = width - sum(widths)
    longest = max(len(name) for name, texts in rows[1:] if texts)
    heading = len(rows[0][0])
    first = min(max(longest, heading) if heading <= room else longest, room)
    for name, texts in rows:
        while len(name) > (first if texts else width):
            yield name[:width]
            name = name[width:]
        figures = (f"{text:>{own}}" for text, own in zip(texts, widths, strict=False))
        yield f"{name:{first}}{''.join(figures)}".rstrip()


def folded(names: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[str, Rows]:
    """What all names begin with, and the rows: beginnings that several share stand above them."""
    stem = names[0] if len(names) > 1 else ""
    while stem and not all(name.startswith(f"{stem}_") for name in names):
        stem = stem.rpartition("_")[0]
    beginning = stem and f"{stem}_"
    rows: Rows = []
    left = zip((name.removeprefix(beginning) for name in names), cells, strict=True)
    for head, own in groupby(left, lambda each: each[0].rpartition("_")[0]):
        alike, above = list(own), f"{head}_"
        if (len(alike) - 1) * len(above) >= _WORTH_A_LINE:
            rows.append((f"  {above}", ()))
            alike = [(f"  {name.removeprefix(above)}", texts) for name, texts in alike]
        rows += [(f"  {name}", texts) for name, texts in alike]
    return beginning, rows


def across(results: Sequence[_Result], width: int, figure: _Figure) -> Iterator[str]:
    """Lines of a summary: of each benchmark the parameter goes across that makes the fewest."""
    by_benchmark: dict[str, list[_Result]] = {}
    for each in results:
        by_benchmark.setdefault(each["metadata"]["benchmark"], []).append(each)
    for benchmark, own in by_benchmark.items():
        title = ".".join(benchmark.split(".")[1:-1]) or benchmark
        keys = _parameters(own)
        grids = [_grid(title, own, keys, key, width, figure) for key in keys]
        listed = _listed(title, own, keys, width, figure)
        yield from min(filter(None, grids), key=len, default=listed)


def _parameters(results: Sequence[_Result]) -> list[str]:
    """As many of the first facts as tell the results apart; none where only names do.

    In the metadata parameters come first, and other facts up to asv's name of the benchmark.
    """
    keys = list(results[0]["metadata"])
    for count in range(1, keys.index("benchmark") + 1):
        if len({_named(each, keys[:count]) for each in results}) == len(results):
            return keys[:count]
    return []


def _grid(
    title: str, results: Sequence[_Result], keys: Sequence[str], key: str, width: int,
    figure: _Figure,
) -> list[str]:  # fmt: skip
    """The lines where one of the parameters goes across; none where they do not fit."""
    others = [each for each in keys if each != key]
    lines: dict[str, dict[Any, str]] = {}
    for each in results:
        value = each["metadata"].get(key)
        value = value if isinstance(value, int | float) else str(value)
        lines.setdefault(_named(each, others), {})[value] = figure(each)
    values = list(dict.fromkeys(value for line in lines.values() for value in line))
    if not any(isinstance(value, str) for value in values):
        values.sort()  # where the first line lacks one
    columns = [str(value) for value in values]
    cells = [[line.get(value, "") for value in values] for line in lines.values()]
    widths = [GAP + max(map(len, each)) for each in zip(columns, *cells, strict=True)]
    if sum(widths) + _NARROWEST > width:
        return []
    names = [" " * GAP + (name or "median") for name in lines]
    heading = f"{_heading(title, others)} by {key}"
    return list(laid_out([(heading, columns), *zip(names, cells, strict=True)], widths, width))


def _listed(
    title: str, results: Sequence[_Result], keys: Sequence[str], width: int, figure: _Figure
) -> list[str]:
    """The lines where results stand one behind the other."""
    names = [_named(each, keys) or each["name"] for each in results]
    if not keys:
        beginning, _ = folded(names, [()] * len(names))
        names = [name.removeprefix(beginning) for name in names]
    told = (f"{name} {figure(each)}" for name, each in zip(names, results, strict=True))
    text = "; ".join(each.replace(" ", _KEPT) for each in told)
    indent = " " * GAP
    lines = wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return [_heading(title, keys), *(line.replace(_KEPT, " ") for line in lines)]


def _heading(title: str, keys: Sequence[str]) -> str:
    return f"{title}: {', '.join(keys)}".rstrip(": ")


def _named(result: _Result, keys: Sequence[str]) -> str:
    return ", ".join(str(result["metadata"].get(key)) for key in keys)
