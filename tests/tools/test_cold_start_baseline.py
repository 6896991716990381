"""The cold-start script: a real run, what is missing, and bad arguments."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from benchmarks.cold_start import Case
from tools import baseline, cold_start_baseline, report


@pytest.mark.slow
def test_a_real_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = (Case("spawn", "http"), Case("zygote", "http"), Case("lambda_simulated", "http"))
    monkeypatch.setattr(cold_start_baseline, "CASES", cases)
    output = tmp_path / "results"
    assert cold_start_baseline.SCRIPT.main(["--iterations", "2", "--output", str(output)]) == 0
    [path] = output.iterdir()
    assert path.name.startswith("cold_start_baseline_2")
    document = json.loads(path.read_text())
    report.validate(document)
    assert [result["name"] for result in document["results"]] == [
        f"{stem}_{case.name}"
        for case in cases
        for stem in ("cold_start", "cold_start_first_response")
    ]
    for result in document["results"]:
        metadata = result["metadata"]
        assert result["category"] == "cold_start" and result["iterations"] == 12
        assert (metadata["processes"], metadata["imports"]) == (6, "http")
        simulated = metadata["strategy"] == "lambda_simulated"
        assert metadata.get("simulated", False) is simulated
        assert ("ratio_to_spawn_interval" in metadata) is (metadata["strategy"] == "zygote")
    assert "cold_start_zygote_http" in capsys.readouterr().out


def test_what_a_machine_lacks_is_no_failure_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = (Case("spawn", "bare"), Case("node_spawn", "http"), Case("node_spawn", "numpy"))
    monkeypatch.setattr(cold_start_baseline, "CASES", cases)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    output = tmp_path / "results"
    assert cold_start_baseline.SCRIPT.main(["--iterations", "1", "--output", str(output)]) == 0
    [path] = output.iterdir()
    assert len(json.loads(path.read_text())["results"]) == 2
    shown = capsys.readouterr()
    assert "n/a: node_spawn_http: node_spawn: there is no node here; tools/" in shown.out
    assert "n/a: node_spawn_numpy: " in shown.out and not shown.err


def test_nothing_but_what_is_missing_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold_start_baseline, "CASES", (Case("node_spawn", "numpy"),))
    assert cold_start_baseline.SCRIPT.main(["--iterations", "1", "--output", str(tmp_path)]) == 1
    assert not os.listdir(tmp_path)


def test_what_fails_is_said_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = (Case("spawn", "bare"), Case("http_handler", "bare"))
    monkeypatch.setattr(cold_start_baseline, "CASES", cases)
    fails = tmp_path / "sitecustomize.py"  # of the server's interpreter alone
    fails.write_text(
        "import os, sys\nif 'AETHER_TRIGGER_PORT' in os.environ: sys.exit('no server today')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    output = tmp_path / "results"
    assert cold_start_baseline.SCRIPT.main(["--iterations", "1", "--output", str(output)]) == 1
    [path] = output.iterdir()
    assert len(json.loads(path.read_text())["results"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("cold_start_baseline: http_handler_bare: ")
    assert "no server today" in shown


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(baseline.commit()) == 40
    monkeypatch.setenv("PATH", str(tmp_path))
    assert baseline.commit() == "unknown"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--iterations", "-1"], "give a number from 1 to 1000000"),
        (["--output", __file__], "cannot be made or written to"),
    ],
)
def test_bad_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cold_start_baseline.SCRIPT.main(arguments)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert words in shown and shown.count("\n") == 1
