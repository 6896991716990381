"""The runner: its arguments, and real runs of it."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from benchmarks import suites
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Turn
from benchmarks.ring_buffer import RingTrial
from tests.tools.stopping import ROOT, starts, stop_while_measuring
from tools import measuring, working_tree
from tools.command import run
from tools.run_benchmarks import main

ONE = ["--category", "ring_buffer", "--bench", r"^ring_buffer_many_64$"]
SHORT = ["--rounds", "3", "--iterations", "7"]


def _run(*arguments: str | Path) -> int:
    return run("run_benchmarks", lambda: main([str(each) for each in arguments]))


def test_the_list_names_every_row_of_what_was_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--category", "ring_buffer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "ring_buffer",
        "  ring_buffer.Latency.track_time(operation, payload_size_bytes)",
    ]
    rows = suites.rows(Selection.TRACKING, ["ring_buffer"])
    assert [line[4:] for line in lines if line[:4] == "    "] == [row.name for row in rows]
    assert main(["--list", "--quick", *ONE]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == ["    ring_buffer_many_64"]


def test_the_list_begins_each_category_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    shown = re.findall(r"^\S.*$", capsys.readouterr().out, re.MULTILINE)
    assert shown == list(suites.MODULES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--bench", "no_such_row"], "no row of the tracking selection fits; --list lists them"),
        (["--bench", "("], "--bench (: no regular expression"),
        (["--output", __file__], f"--output {__file__}: cannot be made or written to"),
        (["--output", f"{__file__}/below"], "cannot be made or written to"),
        (["--output", "/proc/aetherless/below"], "cannot be made or written to"),
        (["--history", __file__], f"--history {__file__}: cannot be made or written to"),
    ],
)
def test_what_makes_no_sense_gets_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("--category", "ring_buffer", *arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("run_benchmarks: ") and words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--iterations", "many"], ["--iterations", "0"], ["--iterations", str(1 << 64)],
        ["--rounds", "-1"], ["--rounds", "1001"], ["--quik"], ["stray"], ["--quick", "--study"],
        ["--category", "ring"],
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_parsed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith("run_benchmarks: ") and shown.count("\n") == 1


def test_one_real_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "not" / "there" / "yet"
    assert _run("--quick", *ONE, *SHORT, "--output", output) == 0
    [path] = output.iterdir()
    document = json.loads(path.read_text())
    [result] = document["results"]
    assert result["name"] == "ring_buffer_many_64"
    assert result["metadata"]["processes"] == 3
    assert result["iterations"] == 3 * 7 * result["metadata"]["number"]
    assert document["system_info"]["cpu_cores"] == psutil.cpu_count()
    told = document["run"]
    assert (told["selection"], told["rounds"], told["interrupted"]) == ("quick", 3, False)
    shown = capsys.readouterr()
    assert str(path) in shown.out and "ring_buffer_many_64" in shown.out
    assert re.fullmatch(r"1 row, 3 rounds: about \d+ s\n", shown.err)


def test_what_cannot_be_measured_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RingTrial, "missing", lambda trial: "this commit has no ring")
    assert _run("--quick", "--category", "ring_buffer", "--output", tmp_path / "data") == 1
    assert re.fullmatch(
        r"n/a: ring_buffer_write_64 and \d+ more: this commit has no ring\n",
        capsys.readouterr().out,
    )
    assert not list(tmp_path.iterdir())  # there is nothing else


def test_what_fails_is_said_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = RingTrial.run

    def fails(trial: RingTrial, turn: Turn) -> Mapping[str, Samples]:
        if trial.size_bytes == 4096:
            raise RuntimeError("it broke")
        return measured(trial, turn)

    monkeypatch.setattr(RingTrial, "run", fails)
    chosen = ["--quick", "--category", "ring_buffer", "--bench", "_many_"]
    assert _run(*chosen, *SHORT, "--output", tmp_path) == 1
    [path] = tmp_path.iterdir()
    assert [each["name"] for each in json.loads(path.read_text())["results"]] == [
        "ring_buffer_many_64"
    ]
    said = capsys.readouterr().err
    assert "run_benchmarks: failed: ring_buffer_many_4096: ring_buffer_many_4096: it broke" in said


def test_results_outlive_an_output_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(working_tree, "ROOT", tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(measuring, "write", full)
    assert _run(*ONE, *SHORT, "--output", tmp_path / "data") == 1
    said = capsys.readouterr().err
    found = re.search(r"are kept: python -m tools.export --store '(.+)' --output DIR", said)
    assert found, said
    done = subprocess.run(
        [sys.executable, "-m", "tools.export", "--store", found[1], "--output", tmp_path / "data"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = (tmp_path / "data").iterdir()
    assert json.loads(path.read_text())["results"][0]["name"] == "ring_buffer_many_64"


def test_a_history_is_kept_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    arguments = [*ONE, "--output", str(tmp_path / "data"), "--history", str(store)]
    assert _run(*arguments, *SHORT) == 2  # else it would stand beside full ones
    assert "take 8 rounds or more" in capsys.readouterr().err
    monkeypatch.setattr(working_tree, "warnings", lambda: ["the working tree differs"])
    assert _run(*arguments) == 0
    said = capsys.readouterr().err
    assert f"not added to the history in {store}: the working tree differs" in said
    assert not store.exists()
    monkeypatch.setattr(working_tree, "warnings", list)
    assert _run(*arguments) == 0
    assert (store / "benchmarks.json").is_file()


def test_what_makes_the_measured_tree_doubtful_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "aetherless_py"
    package.mkdir()
    for name in ("a.pyx", "a.so"):
        (package / name).write_text("")
    os.utime(package / "a.so", (1, 1))
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e"]
    monkeypatch.setattr(working_tree, "ROOT", tmp_path)
    assert working_tree.commit() == working_tree.UNKNOWN
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], check=True)
    assert len(working_tree.commit()) == 40
    assert not [each for each in working_tree.warnings() if "differs" in each]
    (package / "a.pyx").write_text("changed")
    monkeypatch.setattr(working_tree, "_PACKAGE", package)
    said = working_tree.warnings()
    assert "the working tree differs from its commit in 1 files" in said
    assert any("the package measured is that of" in each for each in said)
    monkeypatch.setattr(working_tree, "measured_package", lambda: package)
    assert "the build is older than its sources: run `make build`" in working_tree.warnings()


def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(working_tree.commit()) == 40
    monkeypatch.setenv("PATH", str(tmp_path))
    assert working_tree.commit() == working_tree.UNKNOWN


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_run_that_is_stopped_leaves_only_what_is_complete(
    tmp_path: Path, number: int, status: int
) -> None:
    output, temporary = tmp_path / "data", tmp_path / "temporary"
    temporary.mkdir()
    arguments = ["-m", "tools.run_benchmarks", "--quick", "--category", "ring_buffer"]
    with starts([*arguments, "--output", str(output)], temporary) as process:
        out, said = stop_while_measuring(process, number)
    assert process.returncode == status
    if number == signal.SIGKILL:
        assert not output.exists()
        return
    plan, line = said.splitlines()
    assert re.match(r"\d+ rows, 8 rounds: about ", plan) and out == ""
    assert line.startswith("run_benchmarks: interrupted; kept: ")
    assert not list(temporary.iterdir())
    for path in output.iterdir() if output.exists() else ():
        assert path.suffix == ".json" and str(output) in line
        assert json.loads(path.read_text())["run"]["interrupted"] is True


def test_a_package_that_is_not_built_gets_one_line(tmp_path: Path) -> None:
    (tmp_path / "aetherless_py").mkdir()
    (tmp_path / "aetherless_py/__init__.py").write_text("raise ImportError('it is broken')")
    done = subprocess.run(
        [sys.executable, "-m", "tools.run_benchmarks", *ONE, "--output", tmp_path],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("run_benchmarks: the package is not built: run `make build`")
    assert done.stderr.count("\n") == 1
