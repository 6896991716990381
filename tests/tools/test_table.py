"""The table: what it shows in which width, and what stands under it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.result import document
from benchmarks.harness.samples import Samples
from tests.harness.made_up import result, run
from tools import table
from tools.table import human_ns, lines, main, markdown_table, print_table

OPERATIONS = ("write", "roundtrip", "roundtrip_zero_copy")
LONG = ("burst_311.compression_files10_cold_4", "warm_504.dna-visualisation_bases10000")
INVALID = "the generator was 12 ms late (5 of 8 rounds)"


def made(name: str, warnings: tuple[str, ...] = (), **changes: Any) -> Any:
    """A result of eight rounds with a tail and a ratio."""
    rounds = [Samples(durations_ns=[1.5e6] * 150, warnings=warnings)] * 8
    facts = {"ratio_to_floor": 2.345, "ratio_to_floor_interval": [2.1, 2.5]}
    return result(name, rounds, facts=facts, parameters={}, **changes)


@pytest.fixture
def everything() -> list[dict[str, Any]]:
    """Two categories of a run: rows of a product, long names, what is invalid, warnings."""
    of: dict[str, Any] = {"run": run(selection="quick", warnings=("the tree differs in 3 files",))}
    ring = [
        made(f"ring_buffer_{operation}_{size}", category="ring_buffer", **of)
        for operation in OPERATIONS
        for size in (64, 256, 1024)
    ]
    e2e = [
        made(f"e2e_{LONG[0]}", ("late: 2 ms",), category="e2e", **of),
        made(f"e2e_{LONG[1]}", ("late: 5 ms",), category="e2e", invalid=INVALID, **of),
        made("e2e_warm_noop", category="e2e", **of),
    ]
    return [document(ring), document(e2e)]


def test_human_units() -> None:
    shown = [human_ns(n) for n in (None, 0, 83.4, 999.6, 1234.5, 45_678_000, 2.5e9)]
    assert shown == ["-", "0.00 ns", "83.4 ns", "1.00 us", "1.23 us", "45.7 ms", "2.50 s"]


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_width_and_no_figure_is_cut(
    everything: list[dict[str, Any]], width: int
) -> None:
    shown = lines(everything, width)
    assert max(map(len, shown)) <= width
    medians = [line for line in shown if re.search(r"  (1\.50 ms|INVALID)(  |$)", line)]
    assert len(medians) == 12
    assert "\u2026" not in "".join(shown)


def test_what_names_begin_with_is_said_once(everything: list[dict[str, Any]]) -> None:
    shown = lines(everything, 80)
    assert shown[0].startswith("ring_buffer, quick, commit cccccccc, 2025-12-27T12:34:56Z")
    assert shown[1].split()[0] == "ring_buffer_"
    names = [line.split("  1.50")[0].rstrip() for line in shown[2:14]]
    assert names == [
        "  write_", "    64", "    256", "    1024",
        "  roundtrip_", "    64", "    256", "    1024",
        "  roundtrip_zero_copy_", "    64", "    256", "    1024",
    ]  # fmt: skip


def test_the_least_important_columns_go_first(everything: list[dict[str, Any]]) -> None:
    def heading(width: int) -> str:
        return re.sub(" {2,}", ", ", lines(everything, width)[1])

    assert heading(120) == "ring_buffer_, median, p95, p99, x floor, 95 %, samples, processes"
    assert heading(70) == "ring_buffer_, median, p95, p99, x floor, 95 %"
    assert heading(60) == "ring_buffer_, median, p99, x floor, 95 %"
    assert heading(40) == "ring_buffer_, median, p99, x floor"


def test_a_name_that_takes_much_room_has_a_line_of_its_own(
    everything: list[dict[str, Any]],
) -> None:
    shown = lines(everything, 80)
    at = shown.index(f"  {LONG[0]}")
    assert shown[at + 1].split() == ["1.50", "ms", "1.50", "ms", "2.35", "[2.10,", "2.50]", "2"]


def test_what_is_invalid_has_no_figures_but_a_reason(everything: list[dict[str, Any]]) -> None:
    shown = lines(everything, 80)
    (row,) = [line for line in shown if "INVALID " in line and "[1]" not in line]
    assert row.split() == ["INVALID", "1", "2"]
    assert f"[1] INVALID: {INVALID} (1 result)" in shown


def test_notes_are_told_once_with_a_count(everything: list[dict[str, Any]]) -> None:
    shown = lines(everything, 80)
    assert [line for line in shown if line.startswith(("warning", "["))] == [
        "warning: the tree differs in 3 files",
        f"[1] INVALID: {INVALID} (1 result)",
        "[2] late: 2 to 5 ms (2 results)",
    ]


def test_messages_a_second_are_those_of_the_median_everywhere() -> None:
    call: Any = document([result("call"), result("stream")])
    stream = call["results"][1]
    # What the whole took, its slowest parts included, is another figure.
    stream["throughput"] = {"messages_per_sec": 9.0}
    del stream["metadata"]["method"]
    cells = [line.split("|") for line in markdown_table([call]).splitlines()]
    at = [heading.strip() for heading in cells[0]].index("messages/s")
    assert [line[at].strip() for line in cells[2:]] == ["9.85 M", "9.85 M"]


def test_markdown_has_a_cell_for_each_column(everything: list[dict[str, Any]]) -> None:
    everything[0]["results"][0]["name"] = "a|b"
    shown = markdown_table(everything).replace(r"\|", "").splitlines()
    assert shown[0] == (
        "| benchmark | median | p95 | p99 | x floor | 95 % | samples | processes | warnings |"
    )
    assert {line.count("|") for line in shown} == {10}
    assert len(shown) == 2 + 12


def test_what_a_name_holds_no_terminal_obeys() -> None:
    assert not [c for line in lines([document([result("a\x1b[2Jb\x07\n")])], 80) for c in line
                if not c.isprintable()]  # fmt: skip


def test_the_width_is_the_terminals_or_80(
    everything: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    files = [tmp_path / "ring.json", tmp_path / "e2e.json"]
    for path, made_up in zip(files, everything, strict=True):
        path.write_text(json.dumps(made_up))
    for columns, width in (("60", 60), (None, 80)):
        monkeypatch.delenv("COLUMNS", raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", columns)
        print_table(files)
        assert capsys.readouterr().out.splitlines() == lines(everything, width)


def test_the_command(
    everything: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(everything[0]))
    bad.write_text('{"results": [1]}')
    assert main([str(good)]) == 0
    assert "1.50 ms" in capsys.readouterr().out
    assert main(["--markdown", str(good), str(bad), str(tmp_path / "gone.json")]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("| benchmark | median |")
    assert [line.split(": ")[1] for line in said.err.splitlines()] == [
        str(bad), str(tmp_path / "gone.json")
    ]  # fmt: skip


# -- many results --


def many(names: dict[str, dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    """A document of results of one benchmark, by their names with the parameters of each."""
    found = [
        result(name, [Samples(durations_ns=[1.5e3] * 150)] * 8, parameters=of, **changes)
        for name, of in names.items()
    ]
    return [document(found)]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Round trips by two ways at three sizes, one of which is lacking."""
    monkeypatch.setattr(table, "_MANY", 3)
    of = {
        f"ipc_{way}_{size}": {"method": way, "payload_size_bytes": size}
        for way in ("pipe", "shared_memory")
        for size in (64, 256, 65536)
    }
    del of["ipc_pipe_256"]
    return many(of, run=run(warnings=("the tree differs in 3 files",)))


def test_of_many_results_one_parameter_goes_across(study: list[dict[str, Any]]) -> None:
    title, *shown = lines(study, 60)
    assert title.startswith("ipc, commit cccccccc")
    assert shown == [
        "RoundTrip: method by payload_size_bytes",
        "                      64      256    65536",
        "  pipe           1.50 us           1.50 us",
        "  shared_memory  1.50 us  1.50 us  1.50 us",
        "",
        "warning: the tree differs in 3 files",
        "5 results: `python -m tools.table --all FILE ...` tells more",
    ]
    assert lines(study, 80)[1] == (
        "RoundTrip: method by payload_size_bytes       64      256    65536"
    )


def test_a_summary_keeps_to_the_width_and_to_what_is_invalid(study: list[dict[str, Any]]) -> None:
    study[0]["results"][0]["metadata"]["invalid"] = INVALID
    for width in (40, 60, 80):
        shown = lines(study, width)
        assert max(map(len, shown)) <= width
        assert sum("INVALID  " in line for line in shown) == 1
        assert "note: INVALID: the generator" in "\n".join(shown)


def test_what_has_no_grid_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_MANY", 3)
    wide = {f"a_{way * 12}": {"way": way * 12} for way in "abcdef"}
    assert lines(many(wide, benchmark="a.B.track_c"), 80)[1:5] == [
        "B: way",
        "  aaaaaaaaaaaa 1.50 us; bbbbbbbbbbbb 1.50 us; cccccccccccc 1.50 us;",
        "  dddddddddddd 1.50 us; eeeeeeeeeeee 1.50 us; ffffffffffff 1.50 us",
        "",
    ]
    # Where no parameter tells them apart their names do, without what all begin with.
    alike = {f"e2e_warm_{name}_1": {"workload": "noop"} for name in "abcd"}
    assert lines(many(alike, benchmark="e2e_latency.Warm.track_time"), 60)[1:3] == [
        "Warm",
        "  a_1 1.50 us; b_1 1.50 us; c_1 1.50 us; d_1 1.50 us",
    ]


def test_all_of_many_have_a_row_where_that_is_asked_for(
    study: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.json"
    file.write_text(json.dumps(study[0]))
    assert main(["--all", str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == lines(study, 80, every=True)
    assert main(["--markdown", str(file)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + 5
    assert main([str(file)]) == 0
    assert "by payload_size_bytes" in capsys.readouterr().out
