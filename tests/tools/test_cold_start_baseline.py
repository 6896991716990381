"""The cold-start script: a real run, what is missing, and bad arguments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.cold_start import Case
from tools import baseline, cold_start_baseline, report


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


def test_what_cannot_be_had_is_said_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = (Case("spawn", "bare"), Case("node_spawn", "numpy"))
    monkeypatch.setattr(cold_start_baseline, "CASES", cases)
    assert cold_start_baseline.SCRIPT.main(["--iterations", "1", "--output", str(tmp_path)]) == 1
    [path] = tmp_path.iterdir()
    assert len(json.loads(path.read_text())["results"]) == 2
    assert "cold_start_baseline: node_spawn_numpy: " in capsys.readouterr().err


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
