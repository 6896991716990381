"""The exporter, on stores in the form asv writes them."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft7Validator

from benchmarks.harness.journal import fingerprint
from tests.tools.make_store import (
    COMMIT,
    STARTED,
    benchmark,
    commit_hash,
    make_large_store,
    row,
    write_journal,
    write_result,
    write_store,
)
from tools import export, report

SAMPLES = [n * 1e-6 for n in range(1, 1001)]
WRITE = "ring_buffer.Write.track_operation"
MANY = "ring_buffer.Many.track_operation"
SIZES = ["64", "1024"]
ROOT = Path(__file__).resolve().parents[2]


def record(
    parameter: str = "64", samples: Sequence[float] = SAMPLES, **changes: Any
) -> dict[str, Any]:
    info = {
        "os": "Linux", "os_version": "Debian 12", "kernel_version": "6.1.0", "cpu_cores": 2,
        "cpu_model": "Real CPU", "memory_bytes": 1 << 33, "hostname": "host",
    }  # fmt: skip
    return {
        "benchmark": WRITE, "parameters": [parameter], "samples": fingerprint(samples),
        "recorded_at_ms": STARTED + 500, "commit": COMMIT, "sampling": "per_operation",
        "number": 1, "processes": 4, "samples_per_process": len(samples) // 4,
        "clock_cost_ns": 31.5, "warnings": ["noisy"],
        "cpu": [0, 1], "system_info": info, "environment": {"governor": "unknown"}, **changes,
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Path:
    sizes = {"payload_size_bytes": SIZES}
    return write_store(
        tmp_path / "store",
        [
            benchmark(WRITE, sizes, pretty_name="ring_buffer_write"),
            benchmark(MANY, sizes, pretty_name="ring_buffer_many"),
            benchmark(
                "ring_buffer.Write.time_operation", sizes, "time",
                pretty_name="ring_buffer_write", processes=2,
            ),
            benchmark("ring_buffer.track_plain", unit="ns"),
            benchmark("ring_buffer.peakmem_all", kind="peakmemory", unit="bytes"),
            benchmark("ipc.Pair.track_roundtrip", pretty_name="ipc_roundtrip"),
            benchmark("other.track_x"),
        ],
    )  # fmt: skip


def write_row(**more: Any) -> list[Any]:
    return row([SAMPLES, SAMPLES[:500]], [SIZES], **more)


def run(store: Path, output: Path, *arguments: str) -> int:
    return export.main(["--store", str(store), "--output", str(output), *arguments])


def documents(output: Path) -> list[dict[str, Any]]:
    schema = json.loads((ROOT / "data/schema/benchmark_result.schema.json").read_bytes())
    found = [json.loads(path.read_bytes()) for path in sorted(output.glob("*.json"))]
    for document in found:
        Draft7Validator(schema).validate(document)
    assert not [path for path in output.iterdir() if path.suffix != ".json"]
    return found


def results(output: Path) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for document in documents(output) for item in document["results"]}


def test_metrics_come_from_the_samples(store: Path, tmp_path: Path) -> None:
    write_result(store, {WRITE: write_row()})
    write_journal(store, [record("64"), record("1024", SAMPLES[:500])])
    assert run(store, tmp_path / "out") == 0
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "ring_buffer_20251227T124816Z.json"
    assert path.stat().st_mode & 0o777 == 0o644
    (document,) = documents(tmp_path / "out")
    assert document["timestamp"] == "2025-12-27T12:48:16Z"
    assert document["system_info"]["cpu_model"] == "Real CPU"
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
    assert metadata["processes"] == 4 and metadata["clock_cost_ns"] == 31.5
    assert metadata["warnings"] == ["noisy"] and metadata["sampling"] == "per_operation"


def test_without_run_record_says_so(store: Path, tmp_path: Path) -> None:
    write_result(store, {WRITE: write_row()})
    write_journal(store, [record("4096"), record(samples=SAMPLES[::-1])])
    assert run(store, tmp_path / "out") == 0
    (document,) = documents(tmp_path / "out")
    assert document["system_info"] == {
        "os": "Linux", "os_version": "unknown", "kernel_version": "6.1.0", "hostname": "box",
        "cpu_model": "Test CPU", "cpu_cores": 2, "memory_bytes": 8589934592,
    }  # fmt: skip
    metadata = document["results"][0]["metadata"]
    assert metadata["warnings"][0].startswith("no run record: ")
    assert metadata["processes"] is None and metadata["clock_cost_ns"] is None


def test_a_record_goes_with_its_own_samples_and_no_others(store: Path, tmp_path: Path) -> None:
    others = [2 * sample for sample in SAMPLES]
    write_result(store, {WRITE: write_row()})
    write_journal(store, [
        record(samples=others, processes=1, samples_per_process=1000),
        record(processes=2, samples_per_process=500),
        record(samples=others, processes=5, samples_per_process=200),
    ])  # fmt: skip
    assert run(store, tmp_path / "out") == 0
    assert results(tmp_path / "out")["ring_buffer_write_64"]["metadata"]["processes"] == 2


def test_machines_and_days_that_differ_are_documents_of_their_own(
    store: Path, tmp_path: Path
) -> None:
    other = {**record()["system_info"], "cpu_model": "Another CPU"}
    day_ms = 86_400_000
    write_result(store, {
        WRITE: write_row(),
        MANY: row([SAMPLES[::-1], SAMPLES[1:]], [SIZES], started_at=STARTED + day_ms),
    })  # fmt: skip
    write_journal(store, [
        record(), record("64", SAMPLES[::-1], benchmark=MANY),
        record("1024", SAMPLES[1:], benchmark=MANY, system_info=other, processes=9,
               samples_per_process=111),
    ])  # fmt: skip
    assert run(store, tmp_path / "out") == 0
    found = {
        (
            document["timestamp"],
            document["system_info"]["cpu_model"],
            tuple(result["name"] for result in document["results"]),
        )
        for document in documents(tmp_path / "out")
    }
    assert found == {
        ("2025-12-27T12:48:16Z", "Real CPU", ("ring_buffer_write_64", "ring_buffer_write_1024")),
        ("2025-12-28T12:48:16Z", "Real CPU", ("ring_buffer_many_64",)),
        ("2025-12-28T12:48:16Z", "Another CPU", ("ring_buffer_many_1024",)),
    }


def test_the_start_is_that_of_the_sitting_and_not_of_the_hand_over(
    store: Path, tmp_path: Path
) -> None:
    hour_ms = 3_600_000
    write_result(store, {
        WRITE: write_row(duration=60.0),
        MANY: row([SAMPLES[::-1], SAMPLES[1:]], [SIZES], started_at=STARTED + 2 * hour_ms),
    })  # fmt: skip
    began = {"began_at_ms": STARTED - 2 * hour_ms}  # a long sitting, handed over at its end
    soon = {"began_at_ms": STARTED + hour_ms + 30_000}  # less than an hour after the hand-over
    late = {"began_at_ms": STARTED + 2 * hour_ms + 61_000}
    write_journal(store, [
        record(environment=began), record("1024", SAMPLES[:500], environment=began),
        record("64", SAMPLES[::-1], benchmark=MANY, environment=soon),
        record("1024", SAMPLES[1:], benchmark=MANY, environment=late, processes=9,
               samples_per_process=111),
    ])  # fmt: skip
    assert run(store, tmp_path / "out") == 0
    (document,) = documents(tmp_path / "out")
    assert document["timestamp"] == "2025-12-27T10:48:16Z"
    starts = [result["metadata"]["started_at"] for result in document["results"]]
    assert starts == [
        "2025-12-27T10:48:16Z", "2025-12-27T10:48:16Z", "2025-12-27T13:48:46Z",
        "2025-12-27T14:49:17Z",
    ]  # fmt: skip


def test_a_pause_between_a_hand_over_and_the_next_start_parts_two_runs(
    store: Path, tmp_path: Path
) -> None:
    day_ms = 86_400_000
    write_result(store, {WRITE: write_row(started_at=STARTED + day_ms), MANY: write_row()})
    began = {"began_at_ms": STARTED + day_ms - 600_000}
    write_journal(store, [
        record(environment=began), record("1024", SAMPLES[:500], environment=began),
    ])  # fmt: skip
    assert run(store, tmp_path / "out") == 0
    found = {one["timestamp"]: len(one["results"]) for one in documents(tmp_path / "out")}
    assert found == {"2025-12-27T12:48:16Z": 2, "2025-12-28T12:38:16Z": 2}


def test_a_record_that_contradicts_its_row_is_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {WRITE: row([SAMPLES, SAMPLES], [SIZES], number=8)})
    write_journal(store, [record(sampling="blocks", number=100)])
    assert run(store, tmp_path / "out") == 1
    assert "8 operations a sample, its run record says 100; left out" in capsys.readouterr().err
    assert set(results(tmp_path / "out")) == {"ring_buffer_write_1024"}


@pytest.mark.parametrize(
    "changes",
    [
        {"warnings": 5}, {"warnings": "abc"}, {"processes": 0}, {"processes": "4"},
        {"processes": True}, {"processes": 5}, {"number": 0}, {"number": 1.5},
        {"number": 1 << 60}, {"clock_cost_ns": -1}, {"clock_cost_ns": "little"},
        {"system_info": [1]}, {"system_info": {"os": "Linux"}}, {"sampling": "guessed"},
        {"parameters": 64}, {"metadata": [1]},
        {"environment": "x"}, {"environment": {"began_at_ms": "now"}}, {"benchmark": 1},
        {"environment": {"began_at_ms": 1 << 50}},
    ],
)  # fmt: skip
def test_a_record_that_makes_no_sense_is_named_and_costs_only_itself(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    write_result(store, {WRITE: write_row()})
    write_journal(store, [record(**changes), record("1024", SAMPLES[:500])])
    assert run(store, tmp_path / "out") == 1
    assert "run.jsonl:1: broken run record: " in capsys.readouterr().err
    found = results(tmp_path / "out")
    assert found["ring_buffer_write_64"]["metadata"]["processes"] is None
    assert found["ring_buffer_write_1024"]["metadata"]["processes"] == 4


def _huge_product(store: Path) -> None:
    axes = [[str(n) for n in range(1000)]] * 4
    write_result(store, {WRITE: row(None, axes), MANY: row([SAMPLES, SAMPLES], [SIZES])})


def _change(store: Path, **changes: Any) -> None:
    write_result(store, {WRITE: write_row()}, **changes)


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (lambda s: os.mkfifo(s / "box" / "x.json"), "x.json: not a regular file"),
    "folder": (lambda s: (s / "box" / "x.json").mkdir(), ""),
    "device": (lambda s: (s / "box" / "x.json").symlink_to("/dev/zero"), "not a regular file"),
    "deep": (lambda s: (s / "box" / "x.json").write_text("[" * 200_000), "x.json: "),
    "journal is a file": (lambda s: (s / "journal").write_text(""), "run records cannot be read"),
    "journal leads nowhere": (lambda s: (s / "journal").symlink_to("gone"), "a link to nowhere"),
    "deep record": (lambda s: write_journal(s, ["[" * 100_000]), "run.jsonl:1: "),
    "half a character": (
        lambda s: (s / "box" / "x.json").write_text('{"a": "NaN \\ud800", "b": NaN}'), "x.json: "),
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
    status = run(store, tmp_path / "out")
    printed = capsys.readouterr().err
    assert words in printed
    assert status == (1 if words else 0), printed
    assert set(results(tmp_path / "out")) == {"ring_buffer_many_64", "ring_buffer_many_1024"}


@pytest.mark.parametrize("started", [-1e18, 1e18, float("nan"), 10**400, "soon", True])
def test_a_start_that_cannot_be_is_no_start(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], started: Any
) -> None:
    write_result(store, {WRITE: write_row(), MANY: row([SAMPLES] * 2, [SIZES], started_at=started)})
    assert run(store, tmp_path / "out") == 0
    assert set(results(tmp_path / "out")) == {"ring_buffer_write_64", "ring_buffer_write_1024"}
    assert "no start of the measurement stored" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [-1e-9, True, False, None, "1e-6", 10**400, [1e-6], []])
def test_samples_that_are_no_durations_are_refused(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: Any
) -> None:
    write_result(store, {WRITE: row([[*SAMPLES, wrong], SAMPLES], [SIZES])})
    assert run(store, tmp_path / "out") == 0
    assert set(results(tmp_path / "out")) == {"ring_buffer_write_1024"}
    assert "skipped: samples " in capsys.readouterr().out


def test_a_store_of_which_nothing_can_be_read_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_result(store, {WRITE: write_row()})
    path.write_bytes(path.read_bytes()[:-100])
    assert run(store, tmp_path / "out") == 1
    assert f"{path}: not valid JSON, perhaps cut short" in capsys.readouterr().err
    assert run(store, tmp_path / "out", "--commit", COMMIT) == 2
    assert f"{path}: not valid JSON, perhaps cut short" in capsys.readouterr().err


def test_a_machine_behind_a_link_is_read(store: Path, tmp_path: Path) -> None:
    write_result(store, {WRITE: write_row()})
    (store / "box").rename(tmp_path / "elsewhere")
    (store / "box").symlink_to(tmp_path / "elsewhere")
    assert run(store, tmp_path / "out") == 0
    assert results(tmp_path / "out")


def test_a_track_that_wants_human_units_is_no_timing_of_asv(store: Path, tmp_path: Path) -> None:
    described = json.loads((store / "benchmarks.json").read_text())
    described[WRITE]["type"] = "time"
    (store / "benchmarks.json").write_text(json.dumps(described))
    write_result(store, {WRITE: write_row()})
    assert run(store, tmp_path / "out") == 0
    assert set(results(tmp_path / "out")) == {"ring_buffer_write_64", "ring_buffer_write_1024"}


def test_what_has_no_samples_is_listed(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {
        WRITE: row([SAMPLES, None], [SIZES]),
        MANY: row(None, [SIZES], result=[1e-6, 2e-6]),
        "ring_buffer.track_plain": row(None),
        "ring_buffer.peakmem_all": row(None, result=[1e6]),
        "ring_buffer.gone": row([SAMPLES]),
        "other.track_x": row([SAMPLES]),
        "ipc.Pair.track_roundtrip": row([SAMPLES], version="older"),
    })  # fmt: skip
    assert run(store, tmp_path / "out") == 0
    assert list(results(tmp_path / "out")) == ["ring_buffer_write_64"]
    printed = capsys.readouterr().out
    for line in (
        "skipped: n/a: not chosen for this run, or skipped by its setup: ring_buffer_write_1024\n",
        "record-samples keeps them): ring_buffer_many_64, ring_buffer_many_1024\n",
        "skipped: failed or not run: ring_buffer_track_plain\n",
        "skipped: unit 'bytes' is not a duration: ring_buffer_peakmem_all\n",
        "skipped: not in benchmarks.json: ring_buffer_gone\n",
        "skipped: no category for 'other': other_track_x\n",
        "skipped: measured by another version of this benchmark: ipc_roundtrip\n",
    ):
        assert line in printed


def test_block_means_have_no_tails(store: Path, tmp_path: Path) -> None:
    write_result(store, {
        WRITE: write_row(),
        "ring_buffer.Write.time_operation": row([SAMPLES, SAMPLES], [SIZES], number=8),
    })  # fmt: skip
    write_journal(store, [record("64", sampling="blocks", number=100)])
    assert run(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    for name, number in (("ring_buffer_write_64", 100), ("ring_buffer_write_asv_64", 8)):
        assert found[name]["metadata"]["sampling"] == "block_means"
        assert found[name]["metadata"]["number"] == number
        assert found[name]["iterations"] == 1000 * number
        assert not {"p95_ns", "p99_ns"} & set(found[name]["metrics"])
    assert found["ring_buffer_write_asv_64"]["metadata"]["processes"] == 2


def test_throughput_of_streams_only(store: Path, tmp_path: Path) -> None:
    many = row([[2e-6] * 300, [1e-6] * 300], [SIZES])
    write_result(store, {WRITE: write_row(), MANY: many})
    assert run(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert "throughput" not in found["ring_buffer_write_64"]
    assert found["ring_buffer_many_64"]["throughput"] == pytest.approx({
        "messages_per_sec": 5e5, "bytes_per_sec": 3.2e7, "total_messages": 300,
        "total_bytes": 19200, "duration_ns": 6e5,
    })  # fmt: skip


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None, "x"])
def test_values_that_are_no_figures(store: Path, tmp_path: Path, bad: Any) -> None:
    path = write_result(store, {
        WRITE: row([[1e-6, bad], SAMPLES], [SIZES], result=[math.inf, 1e-6]),
    }, env_vars={"NOTE": "NaN and Infinity"})  # fmt: skip
    assert "Infinity" in path.read_text()
    assert run(store, tmp_path / "out") == 0
    assert list(results(tmp_path / "out")) == ["ring_buffer_write_1024"]


def test_parameters_are_in_product_order(tmp_path: Path) -> None:
    params = {"payload_size_bytes": SIZES, "kind": ["'a b'", "0.5", "True"]}
    store = write_store(tmp_path / "s", [benchmark(WRITE, params, unit="ns", pretty_name="w")])
    write_result(store, {WRITE: row([[n] for n in range(1, 7)], list(params.values()))})
    assert run(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert {name: item["metrics"]["mean_ns"] for name, item in found.items()} == {
        "w_64_a_b": 1, "w_64_0.5": 2, "w_64_True": 3,
        "w_1024_a_b": 4, "w_1024_0.5": 5, "w_1024_True": 6,
    }  # fmt: skip
    assert found["w_1024_a_b"]["metadata"]["kind"] == "a b"
    assert found["w_1024_a_b"]["metrics"]["std_dev_ns"] == 0


def test_commits_machines_and_categories(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_store_machine(store, "other")
    pair = {"ipc.Pair.track_roundtrip": row([SAMPLES])}
    write_result(store, {WRITE: write_row()}, commit_hash(1))
    write_result(store, {WRITE: write_row(started_at=STARTED + 9000), **pair}, commit_hash(2))
    write_result(store, {WRITE: write_row()}, commit_hash(3), machine="other")

    def commits(name: str, *arguments: str) -> set[tuple[str, str]]:
        assert run(store, tmp_path / name, *arguments) == 0
        return {
            (item["category"], item["metadata"]["commit"]) for item in results_all(tmp_path / name)
        }

    one, two, three = (commit_hash(n) for n in (1, 2, 3))
    assert commits("latest") == {("ring_buffer", two), ("ipc", two)}
    assert commits("category", "--category", "ipc") == {("ipc", two)}
    assert commits("commit", "--commit", one[:9].upper()) == {("ring_buffer", one)}
    assert commits("machine", "--machine", "other") == {("ring_buffer", three)}
    every = {("ring_buffer", one), ("ring_buffer", two), ("ipc", two), ("ring_buffer", three)}
    assert commits("all", "--all-history") == every
    # Commits 1 and 3 were measured in the same second: neither replaced the other.
    assert len(list((tmp_path / "all").glob("ring_buffer_*T124816Z*.json"))) == 2
    before = {path: path.read_bytes() for path in (tmp_path / "all").iterdir()}
    capsys.readouterr()
    commits("all", "--all-history")
    assert {path: path.read_bytes() for path in (tmp_path / "all").iterdir()} == before
    assert "written: " not in capsys.readouterr().out


def write_store_machine(store: Path, machine: str) -> None:
    (store / machine).mkdir()
    (store / machine / "machine.json").write_text(json.dumps({"machine": machine, "version": 1}))


def results_all(output: Path) -> list[dict[str, Any]]:
    return [item for document in documents(output) for item in document["results"]]


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
    (box / "old.json").write_text(text.replace('"version": 2}', '"version": 1}'))
    (box / "moved.json").write_text(text.replace('"machine": "box"', '"machine": "elsewhere"'))
    (box / "folder.json").mkdir()
    (box / "gone.json").symlink_to(box / "nowhere")
    (store / "top.json").write_text("{}")
    (store / "stray").mkdir()
    (store / "stray" / "x.json").write_text(text)
    write_journal(store, ["{broken", record("64"), "[]", json.dumps({"benchmark": 1})])
    for number, extra in enumerate((["--all-history"], [], ["--commit", COMMIT])):
        output = tmp_path / f"out{number}"
        assert run(store, output, *extra) == 1
        assert set(results(output)) == {"ring_buffer_write_64", "ring_buffer_write_1024"}
        said = capsys.readouterr().err
        for name in ("cut", "empty", "binary", "list", "old", "moved", "gone", "top", "x"):
            assert f"{name}.json" in said, name
        assert good.name not in said
        for line in (1, 3, 4):
            assert f"run.jsonl:{line}: " in said


def test_a_broken_row_costs_only_itself(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {
        "ring_buffer.track_plain": row([[1.0], [2.0]]),
        MANY: "text",  # type: ignore[dict-item]
        WRITE: write_row(),
    })  # fmt: skip
    assert run(store, tmp_path / "out") == 1
    assert len(results(tmp_path / "out")) == 2
    assert "'ring_buffer.track_plain'" in capsys.readouterr().err


def test_a_broken_benchmark_list(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {WRITE: write_row()})
    (store / "benchmarks.json").write_text("{")
    assert run(store, tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "benchmarks.json" in said.err and "skipped: " in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--category", "disk"], "ring_buffer"),
        (["--commit", "xyz!"], "hex digits"),
        (["--commit", "abcdef0"], COMMIT[:8]),
        (["--machine", "nobody"], "known: box"),
        (["--store", "/nowhere"], "/nowhere"),
        (["--store", "."], "benchmarks.json"),
        (["--output", "asv.conf.json"], "not a folder"),
        (["--speed"], "--speed"),
    ],
)
def test_bad_arguments(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str,
) -> None:  # fmt: skip
    write_result(store, {WRITE: write_row()})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "asv.conf.json").write_text('{// c\n "results_dir": "store", /* d */ }')
    try:
        status = export.main(arguments)
    except SystemExit as stop:
        status = int(str(stop.code))
    assert status == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line
    assert not (tmp_path / "data").exists()


def test_defaults_come_from_the_configuration(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(store, {WRITE: write_row()})
    monkeypatch.chdir(tmp_path)
    assert_two(["--output", "out"], monkeypatch)
    (tmp_path / "asv.conf.json").write_text('{// c\n "results_dir": "store", "a": ["http://x",],}')
    assert export.main([]) == 0
    assert len(results(tmp_path / "data")) == 2


def assert_two(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert export.main(arguments) == 2


@pytest.mark.parametrize("step", ["os.fsync", "tools.report._libc", "os.replace", "os.write"])
def test_a_failing_disk_leaves_nothing(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    rows = {WRITE: write_row(), "ipc.Pair.track_roundtrip": row([SAMPLES])}
    if step == "os.fsync":  # one file alone is flushed by that
        del rows["ipc.Pair.track_roundtrip"]
    write_result(store, rows)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    failing = SimpleNamespace(syncfs=lambda _: -1) if step == "tools.report._libc" else fail
    monkeypatch.setattr(step, failing)
    assert run(store, tmp_path / "out") == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_a_kill_leaves_only_whole_files(tmp_path: Path) -> None:
    make_large_store(tmp_path / "store", 60, 5, 20)
    for delay in (0.12, 0.18, 0.24, 0.3, 0.4):
        output = tmp_path / f"out{delay}"
        output.mkdir()
        command = [sys.executable, "-m", "tools.export", "--store", str(tmp_path / "store")]
        child = subprocess.Popen(
            [*command, "--output", str(output), "--all-history"], cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        for path in output.glob("*.json"):
            report.validate(json.loads(path.read_bytes()))


def test_workers_give_the_same_as_one_process(tmp_path: Path) -> None:
    make_large_store(tmp_path / "store", 20, 3, 30)
    selection = export.Selection(all_history=True)
    for workers in (1, 2):
        done = export.export_store(tmp_path / "store", tmp_path / str(workers), selection, workers)
        assert len(done.written) == 20 and not done.problems
    one = {path.name: path.read_bytes() for path in (tmp_path / "1").iterdir()}
    assert one == {path.name: path.read_bytes() for path in (tmp_path / "2").iterdir()}
