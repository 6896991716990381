"""The baseline script: a real run, and bad arguments."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.tools.stopping import starts, stop_while_measuring
from tools import http_ipc_baseline, report


@pytest.mark.slow
def test_a_real_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http_ipc_baseline, "SIZES", [64, 1024])
    output = tmp_path / "results"
    assert http_ipc_baseline.SCRIPT.main(["--iterations", "70", "--output", str(output)]) == 0
    [path] = output.iterdir()
    assert path.name.startswith("ipc_baseline_2")
    document = json.loads(path.read_text())
    report.validate(document)
    names = [result["name"] for result in document["results"]]
    assert names == [
        f"ipc_{method}_{size}" for method in ("http_json", "unix_socket", "tcp")
        for size in (64, 1024)
    ]  # fmt: skip
    for result in document["results"]:
        assert result["category"] == "ipc" and result["iterations"] == 210
        assert result["metadata"]["processes"] == 3
        assert {"median_ns", "p95_ns"} <= set(result["metrics"])
        assert "p99_ns" not in result["metrics"], "210 samples do not carry it"
    assert "ipc_tcp_1024" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--iterations", "0"], "give a number from 1 to 1000000"),
        (["--iterations", str(10**13)], "give a number from 1 to 1000000"),
        (["--iterations", "x"], "give a number from 1 to 1000000"),
        (["--output", __file__], "cannot be made or written to"),
        (["--output", "/proc/aetherless/below"], "cannot be made or written to"),
    ],
)
def test_bad_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        http_ipc_baseline.SCRIPT.main(arguments)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert words in shown and shown.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path, number: int) -> None:
    arguments = ["-m", "tools.http_ipc_baseline", "--output", str(tmp_path / "data")]
    with starts(arguments, tmp_path) as process:
        shown = stop_while_measuring(process, number)
    assert process.returncode == 128 + number
    assert shown.rstrip().endswith("http_ipc_baseline: interrupted; nothing was written")
    assert "Traceback" not in shown
    assert not os.listdir(tmp_path)
