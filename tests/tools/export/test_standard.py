"""The standard JSON: its schema, and how its files are written."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from benchmarks.harness.result import document, timestamp_of
from tests.harness.made_up import MACHINE, result, run
from tests.tools.export.stores import documents
from tests.tools.make_store import make_large_store
from tools.export import standard
from tools.export.standard import FormError, write

ROOT = Path(__file__).resolve().parents[3]


def test_the_schema_is_a_schema_and_takes_the_form() -> None:
    schema = json.loads(standard.SCHEMA.read_bytes())
    Draft7Validator.check_schema(schema)
    made = document([result(facts={"ratio_to_ring": 2.0, "ratio_to_ring_interval": [1.9, 2.1]})])
    Draft7Validator(schema).validate(made)
    standard.validate(made)
    # As it was written before there were runs.
    del made["run"], made["warnings"]
    standard.validate(made)


@pytest.mark.parametrize(
    "path",
    [
        ("benchmark_suite",), ("version",), ("timestamp",), ("system_info",), ("results",),
        ("system_info", "hostname"), ("results", 0, "iterations"), ("results", 0, "metrics"),
        ("results", 0, "metrics", "median_ns"), ("results", 0, "metadata", "warnings"),
    ],
)  # fmt: skip
def test_a_missing_key_is_refused(path: tuple[Any, ...]) -> None:
    made: Any = copy.deepcopy(document([result()]))
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    with pytest.raises(FormError, match="does not fit benchmark_result"):
        standard.validate(made)


def test_timestamps() -> None:
    assert timestamp_of(1_766_839_696_000) == "2025-12-27T12:48:16Z"
    assert timestamp_of(1_766_839_696_007) == "2025-12-27T12:48:16.007Z"


def test_a_newer_export_of_a_run_replaces_the_older_one(tmp_path: Path) -> None:
    first, second = result(), result("ipc_tcp_64")
    path = tmp_path / "new" / "ipc_20251227T123456Z.json"
    assert write(path.parent, [first]) == [(path, "written")]
    assert write(path.parent, [first]) == [(path, "unchanged")]
    assert write(path.parent, [first, second]) == [(path, "updated")]
    (found,) = documents(path.parent)
    assert len(found["results"]) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "r2"}, {"machine": replace(MACHINE, hostname="there")}, {"commit": "d" * 40},
        {"environment": {"asv_environment": "other"}}, {"selection": "quick"},
    ],
)  # fmt: skip
def test_another_run_of_the_same_second_gets_a_name_of_its_own(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    (tmp_path / "ipc_20251227T123456Z_cccccccc.json").write_text("somebody's")
    found = [path for path, _ in write(tmp_path, [result(), result(run=run(**changes))])]
    assert found[0].name == "ipc_20251227T123456Z.json"
    commit = changes.get("commit", "c" * 40)[:8]
    assert found[1].name == f"ipc_20251227T123456Z_{commit}{'_2' * (commit[0] == 'c')}.json"
    again = write(tmp_path, [result(), result(run=run(**changes))])
    assert again == [(path, "unchanged") for path in found]


def test_a_prefix_takes_the_place_of_the_category(tmp_path: Path) -> None:
    both = [result(), result("cold_start_x", category="cold_start")]
    names = [path.name for path, _ in write(tmp_path, both, "baseline")]
    assert names == ["baseline_20251227T123456Z.json", "baseline_20251227T123456Z_cccccccc.json"]


def test_a_category_leads_out_of_no_folder(tmp_path: Path) -> None:
    ((path, _),) = write(tmp_path / "in", [result(category="../../etc")])
    assert path.parent == tmp_path / "in"


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    bad = result("cold_start_x", category="cold_start", facts={"invalid_rounds": "few"})
    with pytest.raises(FormError, match="invalid_rounds"):
        write(tmp_path, [result(), bad])
    with pytest.raises(FormError, match="two results are called"):
        write(tmp_path, [result(), result(benchmark="another")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["os.sync", "os.replace"])
def test_a_failing_disk_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    found = [result()]
    if step != "os.fsync":  # one file alone is flushed by that
        found.append(result("cold_start_x", category="cold_start"))

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path, found)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_leaves_only_whole_files(tmp_path: Path) -> None:
    make_large_store(tmp_path / "store", 150, 5, 20)
    command = [sys.executable, "-m", "tools.export", "--store", str(tmp_path / "store")]
    for number in range(3):
        output = tmp_path / f"out{number}"
        child = subprocess.Popen(
            [*command, "--output", str(output), "--all-history"], cwd=ROOT,
            # What a kill leaves of its temporary files goes with the test's folder.
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        while child.poll() is None and not list(output.glob("*.json")):
            time.sleep(0.001)  # until it has begun to write
        child.send_signal(signal.SIGKILL)
        child.wait()
        found = list(output.glob("*.json"))
        assert found
        for path in found:
            standard.validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("step", ["os.sync", "os.replace", "pathlib.Path.open"])
def test_an_interruption_leaves_only_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = Path.open if step.startswith("pathlib") else getattr(os, step.removeprefix("os."))

    def interrupted(*arguments: Any, **more: Any) -> None:
        real(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, [result(), result("cold_start_x", category="cold_start")])
    monkeypatch.undo()
    assert len(documents(tmp_path)) == (1 if step == "os.replace" else 0)
