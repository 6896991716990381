"""The cold-start script: a real run, and what is missing or fails."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from benchmarks.cold_start import FirstResponse, Ready
from benchmarks.harness.row import Row
from tools.cold_start_baseline import NAME, rows
from tools.measuring import script

RARELY = ["--iterations", "1", "--rounds", "2", "--output"]


def _main_of(*cases: tuple[str, str]) -> Callable[[list[str]], int]:
    """The script, of these ways and imports alone."""

    def own() -> list[Row]:
        return [suite.row_of(*case) for case in cases for suite in (Ready, FirstResponse)]

    return partial(script, NAME, "", NAME, 20, own)


def test_it_measures_each_way_and_heavier_imports() -> None:
    names = [row.name for row in rows()]
    assert len(set(names)) == len(names)
    assert {
        "cold_start_spawn_bare", "cold_start_spawn_http", "cold_start_spawn_web",
        "cold_start_first_response_criu_numpy", "cold_start_http_handler_http",
        "cold_start_lambda_simulated_http", "cold_start_last_ready_zygote_http_burst16",
    } <= set(names)  # fmt: skip


@pytest.mark.slow
def test_a_real_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = (("spawn", "http"), ("zygote", "http"), ("lambda_simulated", "http"))
    output = tmp_path / "results"
    arguments = ["--iterations", "2", "--rounds", "6", "--output", str(output)]
    assert _main_of(*cases)(arguments) == 0
    [path] = output.iterdir()
    assert path.name.startswith("cold_start_baseline_2")
    results = json.loads(path.read_text())["results"]
    assert [result["name"] for result in results] == [
        f"{stem}_{'_'.join(case)}"
        for case in cases
        for stem in ("cold_start", "cold_start_first_response")
    ]
    for result in results:
        metadata = result["metadata"]
        assert result["category"] == "cold_start" and result["iterations"] == 12
        assert (metadata["processes"], metadata["imports"]) == (6, "http")
        simulated = metadata["strategy"] == "lambda_simulated"
        assert metadata.get("simulated", False) is simulated
        assert ("ratio_to_spawn_interval" in metadata) is (metadata["strategy"] == "zygote")
    shown = capsys.readouterr().out
    assert str(path) in shown and "zygote_http" in shown


def test_what_a_machine_lacks_is_no_failure_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    output = tmp_path / "results"
    assert _main_of(("spawn", "bare"), ("node_spawn", "http"))([*RARELY, str(output)]) == 0
    [path] = output.iterdir()
    assert len(json.loads(path.read_text())["results"]) == 2
    shown = capsys.readouterr()
    assert "n/a: cold_start_node_spawn_http and 1 more: node_spawn: there is no node here" in (
        shown.out
    )
    assert len(shown.err.splitlines()) == 1


def test_nothing_but_what_is_missing_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _main_of(("node_spawn", "http"))([*RARELY, str(tmp_path)]) == 1
    assert not os.listdir(tmp_path)


def test_what_fails_is_said_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = tmp_path / "sitecustomize.py"  # of the server's interpreter alone
    fails.write_text(
        "import os, sys\nif 'AETHER_TRIGGER_PORT' in os.environ: sys.exit('no server today')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    output = tmp_path / "results"
    assert _main_of(("spawn", "bare"), ("http_handler", "bare"))([*RARELY, str(output)]) == 1
    [path] = output.iterdir()
    assert len(json.loads(path.read_text())["results"]) == 2
    shown = capsys.readouterr().err
    assert "cold_start_baseline: failed: cold_start_http_handler_bare and 1 more: " in shown
    assert "no server today" in shown
