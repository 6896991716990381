"""The runner: its arguments, and one real run of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tools import quick, report, run_benchmarks

ROOT = Path(__file__).resolve().parents[2]
WATCHDOG_S = 240


def test_the_list_names_every_suite(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_benchmarks.main(["--list"]) == 0
    shown = capsys.readouterr().out
    for category, module in run_benchmarks.suites().items():
        assert re.search(rf"^{category}\s+benchmarks/{module}\.py$", shown, re.MULTILINE)
    assert "ring_buffer" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--category", "ring"], "--category ring: no such category; known are ring_buffer"),
        (["--iterations", "0"], "--iterations 0: give a number of 1 or more"),
        (["--output", __file__], "not a folder"),
    ],
)
def test_bad_arguments_get_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_benchmarks.main(arguments) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--iterations", "many"], ["--quik"], ["stray"]])
def test_arguments_that_cannot_be_parsed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        run_benchmarks.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("run_benchmarks: ")


def test_the_quick_pass_takes_samples_of_each_suite() -> None:
    for category, module in run_benchmarks.suites().items():
        chosen = re.compile(quick.pattern([category]))
        assert chosen.search(f"{module}.Write.track_write(64)") or category != "ring_buffer"
        assert not chosen.search(f"{module}.Asv.time_roundtrip(64)")


def test_one_real_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(quick.PATTERNS, "ring_buffer", r"^ring_buffer\.Many\.track_many\(64\)$")
    output = tmp_path / "not" / "there" / "yet"
    home_before = _machine_file()
    assert (
        run_benchmarks.main(
            ["--quick", "--category", "ring_buffer", "--iterations", "7", "--output", str(output)]
        )
        == 0
    )
    [path] = output.iterdir()
    document = json.loads(path.read_text())
    report.validate(document)
    [result] = document["results"]
    assert result["name"] == "ring_buffer_many_64"
    assert result["metadata"]["processes"] == 3
    assert result["iterations"] == 3 * 7 * 100
    assert document["system_info"]["cpu_cores"] == psutil.cpu_count()
    assert _machine_file() == home_before or home_before is None


def _machine_file() -> str | None:
    path = Path.home() / ".asv-machine.json"
    return path.read_text() if path.exists() else None


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-m", "tools.run_benchmarks", "--output", str(tmp_path / "data")],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        # A shell's background job ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        ends = time.monotonic() + WATCHDOG_S
        measuring: list[psutil.Process] = []
        while not measuring and time.monotonic() < ends:
            time.sleep(0.05)
            assert runner.poll() is None, "it ended before it measured"
            measuring = [
                child
                for child in psutil.Process(runner.pid).children(recursive=True)
                if "_child_main" in " ".join(_command(child))
            ]
        assert measuring, "no measuring process was seen"
        family = psutil.Process(runner.pid).children(recursive=True)
        runner.send_signal(signal.SIGINT)
        _, shown = runner.communicate(timeout=WATCHDOG_S)
        assert runner.returncode == 130
        assert shown.rstrip().endswith("run_benchmarks: interrupted; nothing was written")
        assert "Traceback" not in shown
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
        assert not list(tmp_path.iterdir())
    finally:
        if runner.poll() is None:
            runner.kill()
            runner.wait()


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
