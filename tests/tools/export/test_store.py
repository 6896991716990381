"""The export of asv's own results: what comes of them, and what is said of the rest."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tools.export.stores import (
    MANY,
    SAMPLES,
    SIZES,
    WRITE,
    documents,
    export,
    results,
    write_row,
)
from tests.tools.make_store import COMMIT, STARTED, benchmark, row, write_result, write_store


def test_metrics_come_from_the_samples(store: Path, tmp_path: Path) -> None:
    write_result(store, {WRITE: write_row()})
    assert export(store, tmp_path / "out") == 0
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "ring_buffer_20251227T124816Z.json"
    assert path.stat().st_mode == (store / "benchmarks.json").stat().st_mode
    (document,) = documents(tmp_path / "out")
    assert document["timestamp"] == "2025-12-27T12:48:16Z"
    assert document["system_info"] == {
        "os": "Linux", "os_version": "unknown", "kernel_version": "6.1.0", "hostname": "box",
        "cpu_model": "Test CPU", "cpu_cores": 2, "memory_bytes": 8589934592,
    }  # fmt: skip
    assert document["warnings"][0].startswith("only asv's store tells of this")
    first, second = document["results"]
    assert (first["name"], second["name"]) == ("ring_buffer_write_64", "ring_buffer_write_1024")
    assert first["iterations"] == 1000
    assert first["metrics"] == pytest.approx({
        "min_ns": 1e3, "max_ns": 1e6, "mean_ns": 500.5e3, "median_ns": 500.5e3,
        "p95_ns": 950e3, "p99_ns": 990e3, "std_dev_ns": 1e3 * math.sqrt(1001 * 1000 / 12),
    })  # fmt: skip
    assert "p95_ns" in second["metrics"] and "p99_ns" not in second["metrics"]
    metadata = first["metadata"]
    assert metadata["payload_size_bytes"] == 64
    assert metadata["processes"] is None and metadata["clock_cost_ns"] is None
    assert metadata["environment"]["asv_environment"] == "virtualenv-py3.11"


def test_a_long_pause_parts_two_runs(store: Path, tmp_path: Path) -> None:
    day_ms = 86_400_000
    write_result(store, {
        WRITE: write_row(duration=4000.0), MANY: write_row(started_at=STARTED + 7_000_000),
        "ring_buffer.track_plain": row([[5.0]], started_at=STARTED + day_ms),
    })  # fmt: skip
    assert export(store, tmp_path / "out") == 0
    found = {one["timestamp"]: len(one["results"]) for one in documents(tmp_path / "out")}
    assert found == {"2025-12-27T12:48:16Z": 4, "2025-12-28T12:48:16Z": 1}


def test_several_machines_and_environments(store: Path, tmp_path: Path) -> None:
    write_store(store, json_benchmarks(store), ("box", "other"))
    write_result(store, {WRITE: write_row()})
    write_result(store, {WRITE: write_row()}, environment="virtualenv-py3.12")
    write_result(store, {WRITE: write_row()}, machine="other")
    assert export(store, tmp_path / "out") == 0
    found = {
        (
            one["system_info"]["hostname"],
            one["results"][0]["metadata"]["environment"]["asv_environment"],
        )
        for one in documents(tmp_path / "out")
    }
    assert found == {
        ("box", "virtualenv-py3.11"), ("box", "virtualenv-py3.12"), ("other", "virtualenv-py3.11")
    }  # fmt: skip


def json_benchmarks(store: Path) -> list[dict[str, Any]]:
    described = json.loads((store / "benchmarks.json").read_bytes())
    return [each for each in described.values() if isinstance(each, dict)]


def _huge_product(store: Path) -> None:
    axes = [[str(n) for n in range(1000)]] * 4
    write_result(store, {WRITE: row(None, axes), MANY: row([SAMPLES, SAMPLES], [SIZES])})


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (lambda s: os.mkfifo(s / "box" / "x.json"), "not a regular file: "),
    "folder": (lambda s: (s / "box" / "x.json").mkdir(), ""),
    "device": (lambda s: (s / "box" / "x.json").symlink_to("/dev/zero"), "not a regular file: "),
    "deep": (lambda s: (s / "box" / "x.json").write_text("[" * 200_000), "x.json"),
    "half a character": (
        lambda s: (s / "box" / "x.json").write_text('{"a": "NaN \\ud800", "b": NaN}'), "x.json"),
    "huge product": (_huge_product, "1000000000000 combinations"),
    "loop": (lambda s: (s / "box" / "again").symlink_to(s), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_whatever_lies_in_a_store_the_rest_is_exported(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    write_result(store, {MANY: row([SAMPLES, SAMPLES], [SIZES])})
    spoil, words = HOSTILE[case]
    spoil(store)
    status = export(store, tmp_path / "out")
    printed = capsys.readouterr().err
    assert words in printed
    assert status == (1 if words else 0), printed
    assert set(results(tmp_path / "out")) == {"ring_buffer_many_64", "ring_buffer_many_1024"}


@pytest.mark.parametrize("started", [-1e18, 1e18, float("nan"), 10**400, "soon", True, None])
def test_without_a_start_the_commit_tells_the_time(
    store: Path, tmp_path: Path, started: Any
) -> None:
    write_result(store, {WRITE: write_row(), MANY: row([SAMPLES] * 2, [SIZES], started_at=started)})
    assert export(store, tmp_path / "out") == 0
    found = {one["timestamp"]: one for one in documents(tmp_path / "out")}
    (other,) = [
        each for at, each in found.items() if at != "2025-12-27T12:48:16Z"
    ] or found.values()
    assert "the timestamp is that of the commit" in other["warnings"][1]
    assert len(results(tmp_path / "out")) == 4


@pytest.mark.parametrize(
    "wrong", [-1e-9, True, False, None, "1e-6", 10**400, [1e-6], [], math.nan, math.inf, -math.inf]
)
def test_samples_that_are_no_durations_are_refused(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: Any
) -> None:
    write_result(store, {
        WRITE: row([[*SAMPLES, wrong], SAMPLES], [SIZES], result=[math.inf, 1e-6])
    }, env_vars={"NOTE": "NaN and Infinity"})  # fmt: skip
    assert export(store, tmp_path / "out") == 0
    assert set(results(tmp_path / "out")) == {"ring_buffer_write_1024"}
    said = capsys.readouterr().out
    assert "skipped: values that are no durations: ring_buffer_write_64\n" in said


def test_a_machine_behind_a_link_is_read(store: Path, tmp_path: Path) -> None:
    write_result(store, {WRITE: write_row()})
    (store / "box").rename(tmp_path / "elsewhere")
    (store / "box").symlink_to(tmp_path / "elsewhere")
    assert export(store, tmp_path / "out") == 0
    assert results(tmp_path / "out")


def test_a_machine_in_the_store_itself_is_read(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [benchmark(WRITE)], ("box",))
    write_result(store, {WRITE: row([SAMPLES])})
    for path in (store / "box").iterdir():
        path.rename(store / path.name)
    assert export(store, tmp_path / "out") == 0
    assert list(results(tmp_path / "out")) == ["ring_buffer_Write_track_operation"]


def test_a_track_that_wants_human_units_is_no_timing_of_asv(store: Path, tmp_path: Path) -> None:
    described = json.loads((store / "benchmarks.json").read_text())
    described[WRITE]["type"] = "time"
    (store / "benchmarks.json").write_text(json.dumps(described))
    write_result(store, {WRITE: write_row()})
    assert export(store, tmp_path / "out") == 0
    assert set(results(tmp_path / "out")) == {"ring_buffer_write_64", "ring_buffer_write_1024"}


def test_of_a_value_without_samples_that_is_said(store: Path, tmp_path: Path) -> None:
    write_result(store, {
        WRITE: row([SAMPLES, None], [SIZES]),
        MANY: row(None, [SIZES], result=[1e-6, 2e-6]),
        "ring_buffer.track_plain": row([[3.0]]),
    })  # fmt: skip
    assert export(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert set(found) == {
        "ring_buffer_write_64", "ring_buffer_many_64", "ring_buffer_many_1024",
        "ring_buffer_track_plain",
    }  # fmt: skip
    assert found["ring_buffer_many_1024"]["metrics"]["max_ns"] == pytest.approx(2e3)
    warned = {name for name, each in found.items() if "one value" in str(each["metadata"])}
    assert warned == {"ring_buffer_many_64", "ring_buffer_many_1024"}


def test_what_is_left_out_is_told_with_the_reason(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {
        WRITE: row([SAMPLES, None], [SIZES]),
        "ring_buffer.track_plain": row(None),
        "ring_buffer.peakmem_all": row(None, result=[1e6]),
        "ring_buffer.gone": row([SAMPLES]),
        "ipc.Pair.track_roundtrip": row([SAMPLES], version="older"),
    })  # fmt: skip
    assert export(store, tmp_path / "out") == 0
    assert list(results(tmp_path / "out")) == ["ring_buffer_write_64"]
    printed = capsys.readouterr().out.replace("\n  ", " ")
    for line in (
        "skipped: n/a: not chosen for this run, or skipped by its setup: ring_buffer_write_1024\n",
        "skipped: failed or not run: ring_buffer_track_plain\n",
        "skipped: unit 'bytes' is not a duration: ring_buffer_peakmem_all\n",
        "skipped: not in benchmarks.json: ring_buffer_gone\n",
        "skipped: measured by another version of this benchmark: ipc_roundtrip\n",
    ):
        assert line in printed


def test_of_many_that_are_left_out_a_line_names_a_few(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axis = [str(n) for n in range(500)]
    store = write_store(tmp_path / "s", [benchmark(WRITE, {"size": axis}, pretty_name="write")])
    write_result(store, {WRITE: row([SAMPLES, *[None] * 499], [axis])})
    assert export(store, tmp_path / "out") == 0
    told = capsys.readouterr().out.splitlines()[1:]
    assert told == [
        "skipped: 499 x n/a: not chosen for this run, or skipped by its setup: write_1, ..."
    ] or all(len(line) <= 80 for line in told)
    assert len(told) <= 2
    assert export(store, tmp_path / "out", "--verbose") == 0
    assert "write_499" in capsys.readouterr().out


def test_another_projects_modules_are_its_categories(store: Path, tmp_path: Path) -> None:
    write_result(store, {"other.track_x": row([[3.0]]), WRITE: write_row()})
    assert export(store, tmp_path / "out") == 0
    assert results(tmp_path / "out")["other_track_x"]["metrics"]["max_ns"] == 3e6
    assert {path.name.split("_2")[0] for path in (tmp_path / "out").iterdir()} == {
        "ring_buffer", "other"
    }  # fmt: skip


def test_block_means_have_no_tails(store: Path, tmp_path: Path) -> None:
    write_result(store, {
        WRITE: write_row(),
        "ring_buffer.Write.time_operation": row([SAMPLES, SAMPLES], [SIZES], number=8),
    })  # fmt: skip
    assert export(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")["ring_buffer_write_asv_64"]
    assert found["metadata"]["sampling"] == "block_means"
    assert (found["metadata"]["number"], found["iterations"]) == (8, 8000)
    assert not {"p95_ns", "p99_ns"} & set(found["metrics"])
    assert found["metadata"]["processes"] == 2


def test_parameters_are_in_product_order(tmp_path: Path) -> None:
    params = {"payload_size_bytes": SIZES, "kind": ["'a b'", "0.5", "True"]}
    store = write_store(tmp_path / "s", [benchmark(WRITE, params, unit="ns", pretty_name="w")])
    write_result(store, {WRITE: row([[n] for n in range(1, 7)], list(params.values()))})
    assert export(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert {name: item["metrics"]["mean_ns"] for name, item in found.items()} == {
        "w_64_a_b": 1, "w_64_0.5": 2, "w_64_True": 3,
        "w_1024_a_b": 4, "w_1024_0.5": 5, "w_1024_True": 6,
    }  # fmt: skip
    assert found["w_1024_a_b"]["metadata"]["kind"] == "a b"
    assert found["w_1024_a_b"]["metrics"]["std_dev_ns"] == 0


def test_names_that_would_be_the_same_are_asvs_own(tmp_path: Path) -> None:
    texts = ["'>'", "'<'", "'=='", "'!='", "''", "'a b'", "'a_b'", "'a/b'", "'\u00e9'", "'plain'"]
    params = {"kind": texts, "size": ["1", "2"]}
    store = write_store(tmp_path / "s", [benchmark(WRITE, params)])
    write_result(store, {WRITE: row([[n * 1e-6] for n in range(20)], list(params.values()))})
    assert export(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert len(found) == 20
    assert found[f"{WRITE}('a b', 2)"]["metadata"]["kind"] == "a b"
    assert found[f"{WRITE}('<', 1)"]["metadata"]["size"] == 1
    assert "ring_buffer_Write_track_operation_plain_2" in found


def test_a_name_does_not_depend_on_what_else_was_measured(tmp_path: Path) -> None:
    both = ["suite.A.track_x_1", "suite.A.track_x"]
    store = write_store(tmp_path / "s", [benchmark(both[0]), benchmark(both[1], {"n": ["1", "2"]})])
    write_result(store, {both[0]: row([SAMPLES])})
    assert export(store, tmp_path / "one") == 0
    write_result(store, {both[0]: row([SAMPLES]), both[1]: row([SAMPLES] * 2, [["1", "2"]])})
    assert export(store, tmp_path / "two") == 0
    assert list(results(tmp_path / "one")) == ["suite.A.track_x_1()"]
    assert set(results(tmp_path / "two")) == {
        "suite.A.track_x_1()", "suite.A.track_x(1)", "suite_A_track_x_2"
    }  # fmt: skip


def test_parameters_that_are_called_as_our_keys_keep_their_values(tmp_path: Path) -> None:
    params = {"number": ["7"], "payload_size_bytes": ["'big'"], "far": [str(1 << 80)]}
    store = write_store(tmp_path / "s", [benchmark(WRITE, params)])
    write_result(store, {WRITE: row([SAMPLES], list(params.values()))})
    assert export(store, tmp_path / "out") == 0
    ((_, found),) = results(tmp_path / "out").items()
    metadata = found["metadata"]
    assert (metadata["param_number"], metadata["number"]) == (7, 1)
    assert metadata["param_payload_size_bytes"] == "big"
    assert metadata["far"] == str(1 << 80)


def test_a_store_of_asvs_first_format(tmp_path: Path) -> None:
    store = write_store(tmp_path / "s", [benchmark("suite.T.time_it", kind="time")])
    card = {"machine": "box", "arch": "x86_64", "cpu": "A", "os": "Linux", "ram": "8589934592"}
    name, size = "suite.T.time_it", "suite.T.time_size"
    described = {
        each: {"name": each, "param_names": names, "params": axes, "type": "time",
               "unit": "seconds", "code": "", "timeout": 60.0}
        for each, names, axes in ((name, [], []), (size, ["n"], [["1", "2"]]))
    }  # fmt: skip
    (store / "benchmarks.json").write_text(json.dumps({**described, "version": 1}))
    sized = {"params": [["1", "2"]], "result": [1e-3, None],
             "stats": [{"ci_99": [9e-4, 2e-3], "q_25": 1e-3, "q_75": 1e-3, "number": 3}, None],
             "samples": [[1e-3, 2e-3], None]}  # fmt: skip
    (store / "box" / "0123abcd-py2.7.json").write_text(json.dumps({
        "commit_hash": COMMIT, "date": STARTED, "python": "2.7", "requirements": {"numpy": "1.9"},
        "params": {**card, "python": "2.7"}, "profiles": {}, "version": 1,
        "results": {name: 0.0784, size: sized, "suite.T.time_gone": None},
    }))  # fmt: skip
    assert export(store, tmp_path / "out") == 0
    (document,) = documents(tmp_path / "out")
    assert "the timestamp is that of the commit" in document["warnings"][1]
    one, two = document["results"]
    assert (one["name"], two["name"]) == ("suite_T_time_it_asv", "suite_T_time_size_asv_1")
    assert one["metrics"]["median_ns"] == pytest.approx(78.4e6)
    assert two["iterations"] == 6


def test_broken_and_foreign_files_are_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_result(store, {WRITE: write_row()})
    text = good.read_text()
    box = store / "box"
    (box / "cut.json").write_text(text[: len(text) // 2])
    (box / "empty.json").write_text("")
    (box / "binary.json").write_bytes(b"\xff\x00\x80")
    (box / "list.json").write_text("[1, 2]")
    (box / "bare.json").write_text('{"version": 2}')
    (box / "none.json").write_text("{}")
    (box / "new.json").write_text(text.replace('"version": 2}', '"version": 3}'))
    (box / "odd.json").write_text(text.replace('"results": {', '"results": {"x": 5, '))
    (box / "moved.json").write_text(text.replace('"machine": "box"', '"machine": "elsewhere"'))
    (box / "folder.json").mkdir()
    (box / "gone.json").symlink_to(box / "nowhere")
    (store / "top.json").write_text("{}")
    (store / "stray").mkdir()
    (store / "stray" / "x.json").write_text(text)
    broken = ("cut", "empty", "binary", "list", "bare", "none", "new", "odd", "moved", "gone",
              "top", "x")  # fmt: skip
    for number, extra in enumerate((["--all-history"], [], ["--commit", COMMIT])):
        output = tmp_path / f"out{number}"
        assert export(store, output, "--verbose", *extra) == 1
        assert set(results(output)) == {"ring_buffer_write_64", "ring_buffer_write_1024"}
        said = capsys.readouterr().err
        for name in broken:
            assert f"{name}.json" in said, name
        assert good.name not in said


def test_a_broken_row_costs_only_itself(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {
        "ring_buffer.track_plain": [[1.0], 5],
        MANY: "text",  # type: ignore[dict-item]
        WRITE: write_row(),
    })  # fmt: skip
    assert export(store, tmp_path / "out") == 1
    assert len(results(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert "'ring_buffer.track_plain'" in said and f"{MANY!r}" in said


def test_a_broken_benchmark_list(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {WRITE: write_row()})
    (store / "benchmarks.json").write_text("{")
    assert export(store, tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "benchmarks.json" in said.err and "skipped: " in said.out


def test_a_store_of_which_nothing_can_be_read_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_result(store, {WRITE: write_row()})
    path.write_bytes(path.read_bytes()[:-100])
    for status, arguments in ((1, []), (2, ["--commit", COMMIT])):
        assert export(store, tmp_path / "out", *arguments) == status
        said = capsys.readouterr().err
        assert "not valid JSON, perhaps cut short" in said and str(path) in said
