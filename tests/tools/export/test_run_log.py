"""The export of the run log: every result whole, whatever asv has kept of it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import run_log
from benchmarks.harness.result import Result
from benchmarks.harness.samples import Samples
from tests.harness.made_up import MACHINE, result, run
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
from tests.tools.make_store import COMMIT, row, write_result

BOX = replace(MACHINE, hostname="box")
ENVIRONMENT = {"asv_environment": "virtualenv-py3.11"}
RUN = run(machine=BOX, commit=COMMIT, environment=ENVIRONMENT, selection="tracking", rounds=2)


def logged(size: int = 64, **changes: Any) -> Result:
    """What asv's row of `WRITE` with that size is in the log."""
    told = {
        "category": "ring_buffer", "benchmark": WRITE, "parameters": {"payload_size_bytes": size},
        "run": RUN,
    }  # fmt: skip
    return result(changes.pop("name", f"ring_buffer_write_{size}"), **{**told, **changes})


def log(store: Path, *found: Result) -> Path:
    """Puts them into the store's log; gives its folder."""
    folder = store / run_log.FOLDER
    for each in found:
        run_log.append(each, folder)
    return folder


def test_what_the_log_has_comes_from_it_and_the_rest_from_asv(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_result(store, {
        WRITE: row(None, [SIZES], result=[1e-6, math.nan]),  # as without --record-samples
        MANY: write_row(),
    })  # fmt: skip
    log(store, logged(), logged(1024, invalid="the generator was late"))
    assert export(store, tmp_path / "out") == 0
    of_log, of_asv = sorted(documents(tmp_path / "out"), key=lambda each: len(each["warnings"]))
    assert of_log["run"] == {
        "id": "r1", "commit": COMMIT, "selection": "tracking", "seed": None, "rounds": 2,
        "interrupted": False,
    }  # fmt: skip
    assert of_log["system_info"]["cpu_model"] == "a processor"
    first, second = of_log["results"]
    assert first["metadata"]["round_medians_ns"] == [100.5, 102.5]
    assert first["metadata"]["turns"] == [0, 1]
    assert (first["metadata"]["invalid"], second["metadata"]["invalid"]) == (
        None, "the generator was late"
    )  # fmt: skip
    assert [each["name"] for each in of_asv["results"]] == [
        "ring_buffer_many_64", "ring_buffer_many_1024"
    ]  # fmt: skip
    assert "skipped" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "changes",
    [
        {"commit": "d" * 40}, {"machine": replace(MACHINE, hostname="other")},
        {"environment": {"asv_environment": "virtualenv-py3.12"}},
    ],
)  # fmt: skip
def test_a_log_of_something_else_hides_no_row(
    store: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    (store / "other").mkdir()
    (store / "other" / "machine.json").write_text('{"machine": "other", "version": 1}')
    write_result(store, {MANY: write_row()}, machine="other")
    write_result(store, {WRITE: write_row()})
    log(store, logged(run=replace(RUN, **changes)))
    assert export(store, tmp_path / "out", "--all-history") == 0
    found = [each for one in documents(tmp_path / "out") for each in one["results"]]
    assert [each["name"] for each in found].count("ring_buffer_write_64") == 2


@pytest.mark.parametrize(
    "changes", [{"environment": {}}, {"machine": MACHINE}]
)  # started by the runner; a machine that asv knows by another name
def test_what_asv_calls_otherwise_is_the_same(
    store: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    write_result(store, {WRITE: write_row()})
    log(store, logged(run=replace(RUN, **changes)))
    for arguments in ([], ["--machine", "box"]):
        output = tmp_path / f"out{len(arguments)}"
        assert export(store, output, *arguments) == 0
        found = [each for one in documents(output) for each in one["results"]]
        assert [each["name"] for each in found].count("ring_buffer_write_64") == 1


def test_runs_and_selections_are_files_of_their_own(store: Path, tmp_path: Path) -> None:
    quick = replace(RUN, id="r2", selection="quick")
    other = replace(RUN, id="r3", started_at_ms=RUN.started_at_ms + 60_000)
    log(store, logged(), logged(1024), logged(run=quick), logged(run=other))
    assert export(store, tmp_path / "out") == 0
    found = {
        (one["run"]["id"], one["run"]["selection"]): len(one["results"])
        for one in documents(tmp_path / "out")
    }
    assert found == {("r1", "tracking"): 2, ("r2", "quick"): 1, ("r3", "tracking"): 1}


def test_a_run_that_did_not_come_to_its_end_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = replace(RUN, id="r2", started_at_ms=RUN.started_at_ms + 60_000)
    folder = log(store, logged(), logged(run=other))
    (folder / f"r2{run_log.UNFINISHED}").touch()
    assert export(store, tmp_path / "out", "--table") == 0
    found = {one["run"]["id"]: one["run"]["interrupted"] for one in documents(tmp_path / "out")}
    assert found == {"r1": False, "r2": True}
    assert "ring_buffer, tracking, interrupted, commit" in capsys.readouterr().out
    (folder / f"r2{run_log.UNFINISHED}").unlink()  # as it is when it has ended
    assert export(store, tmp_path / "out") == 0
    assert not any(one["run"]["interrupted"] for one in documents(tmp_path / "out"))


def test_what_a_run_measured_twice_is_joined(store: Path, tmp_path: Path) -> None:
    log(store, logged(), logged(invalid="late"), logged(), logged(1024, invalid="late"))
    assert export(store, tmp_path / "out") == 0
    found = results(tmp_path / "out")
    assert found["ring_buffer_write_64"]["metadata"]["samples"] == 8
    assert found["ring_buffer_write_64"]["metadata"]["processes"] == 4
    assert found["ring_buffer_write_1024"]["metadata"]["invalid"] == "late"


def test_a_log_alone_is_enough(tmp_path: Path) -> None:
    store = tmp_path / "store"
    other = replace(RUN, machine=MACHINE, id="r2")
    log(store, logged(), logged(name="x", run=replace(other, commit="d" * 40)))
    # Nobody has written a list of benchmarks; the results are there all the same.
    assert export(store, tmp_path / "out", "--commit", COMMIT, "--machine", "box") == 1
    assert list(results(tmp_path / "out")) == ["ring_buffer_write_64"]
    assert export(store, tmp_path / "out", "--machine", "nobody") == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"rounds": []}, {"rounds": [{"durations_ns": []}]}, {"rounds": [{"durations_ns": [-1]}]},
        {"rounds": [{"durations_ns": [1], "warnings": "abc"}]}, {"processes": "many"},
        {"rounds": [{"durations_ns": [1], "number": 0}]}, {"parameters": 64}, {"facts": [1]},
        {"run": {"id": "r"}}, {"name": 3}, {"turns": ["first"]},
        {"run": {**asdict(RUN), "started_at_ms": "now"}},
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_named_and_costs_only_itself(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    folder = log(store, logged())
    (path,) = folder.iterdir()
    line = {**asdict(logged(1024)), **changes}
    path.write_text(json.dumps(line) + "\n{broken\n" + path.read_text())
    assert export(store, tmp_path / "out", "--verbose") == 1
    said = capsys.readouterr().err
    assert f"{path}:1" in said and f"{path}:2" in said and "Traceback" not in said
    assert list(results(tmp_path / "out")) == ["ring_buffer_write_64"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""}, {"name": "\ud800"}, {"facts": {"invalid_rounds": "few"}},
        {"facts": {"far": 1 << 80}}, {"run": replace(RUN, id="r9", started_at_ms=10**15)},
        {"parameters": {"payload_size_bytes": -1}}, {"turns": (-1,)},
    ],
)  # fmt: skip
def test_a_result_that_does_not_fit_the_form_costs_only_itself(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    log(store, logged(), logged(1024, **changes))
    assert export(store, tmp_path / "out") == 1
    assert ".jsonl" in capsys.readouterr().err
    assert list(results(tmp_path / "out")) == ["ring_buffer_write_64"]


def test_two_results_of_one_name_are_a_problem(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log(store, logged(), logged(1024, name="ring_buffer_write_64"))
    assert export(store, tmp_path / "out") == 1
    assert "two results are called ring_buffer_write_64" in capsys.readouterr().err


@pytest.mark.parametrize("is_link", [True, False])
def test_a_log_that_cannot_be_read_is_named(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_link: bool
) -> None:
    write_result(store, {MANY: write_row()})
    if is_link:
        (store / run_log.FOLDER).symlink_to("gone")
    else:
        (store / run_log.FOLDER).write_text("")
    assert export(store, tmp_path / "out") == 1
    assert str(store / run_log.FOLDER) in capsys.readouterr().err
    assert len(results(tmp_path / "out")) == 2


def test_a_category_of_the_log(store: Path, tmp_path: Path) -> None:
    log(store, logged(), result("ipc_pipe_64", [Samples(durations_ns=SAMPLES)], run=RUN))
    assert export(store, tmp_path / "out", "--category", "ipc") == 0
    assert list(results(tmp_path / "out")) == ["ipc_pipe_64"]
