"""The baseline script of the ways between processes: a real run, bad arguments, an interruption."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from benchmarks import ipc
from tests.tools.stopping import starts, stop_while_measuring
from tools.command import run
from tools.http_ipc_baseline import METHODS, NAME, main, rows


def test_it_measures_the_traditional_ways_at_all_sizes_and_nothing_else() -> None:
    assert [row.name for row in rows()] == [
        f"ipc_{method}_{size}" for method in METHODS for size in ipc.SIZES
    ]


def test_a_real_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ipc, "SIZES", [64, 1024])
    output = tmp_path / "results"
    arguments = ["--iterations", "70", "--rounds", "3", "--output", str(output)]
    assert main(arguments) == 0
    [path] = output.iterdir()
    assert path.name.startswith("ipc_baseline_2")
    results = json.loads(path.read_text())["results"]
    assert [result["name"] for result in results] == [row.name for row in rows()]
    for result in results:
        assert result["category"] == "ipc" and result["iterations"] == 210
        assert result["metadata"]["processes"] == 3
        assert {"median_ns", "p95_ns"} <= set(result["metrics"])
        assert "p99_ns" not in result["metrics"], "210 samples do not carry it"
    shown = capsys.readouterr()
    assert str(path) in shown.out and "tcp" in shown.out
    assert shown.err.startswith("6 rows, 3 rounds: about ")  # without the partners of ratios


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--iterations", "0"], "give a number from 1 to 1000000"),
        (["--iterations", str(10**13)], "give a number from 1 to 1000000"),
        (["--iterations", "x"], "give a number from 1 to 1000000"),
        (["--rounds", "0"], "give a number from 1 to 1000"),
    ],
)
def test_bad_arguments(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert words in shown and shown.count("\n") == 1


@pytest.mark.parametrize("output", [__file__, "/proc/aetherless/below"])
def test_an_output_that_cannot_be_written(output: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(NAME, lambda: main(["--output", output])) == 2
    shown = capsys.readouterr().err
    assert "cannot be made or written to" in shown and shown.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_stopped_leaves_only_what_is_complete(tmp_path: Path, number: int) -> None:
    output, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    with starts(["-m", "tools.http_ipc_baseline", "--output", str(output)], temporary) as process:
        _, said = stop_while_measuring(process, number)
    assert process.returncode == 128 + number
    _, line = said.splitlines()  # the first says how long it would have taken
    assert line.startswith("http_ipc_baseline: interrupted; kept: ")
    assert not list(temporary.iterdir())
    for path in output.iterdir() if output.exists() else ():
        assert json.loads(path.read_text())["run"]["interrupted"] is True
