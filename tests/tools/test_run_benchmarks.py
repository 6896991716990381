"""The runner: its arguments, and one real run of it."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from benchmarks import ipc
from tests.tools.stopping import starts, stop_while_measuring
from tools import export, quick, report, run_benchmarks, working_tree


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
        (["--output", __file__], "cannot be made or written to"),
        (["--output", f"{__file__}/below"], "cannot be made or written to"),
        (["--output", "/proc/aetherless/below"], "cannot be made or written to"),
    ],
)
def test_bad_arguments_get_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_benchmarks.main(arguments) == 2
    shown = capsys.readouterr().err
    assert words in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--iterations", "many"], ["--iterations", "0"], ["--iterations", str(1 << 64)],
        ["--quik"], ["stray"],
    ],
)  # fmt: skip
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


def test_the_quick_pass_asks_for_what_its_sitting_measures() -> None:
    calls, streams = ipc.quick_part(
        dict.fromkeys(ipc.ROUNDTRIP_METHODS, ipc.QUICK_SIZES),
        dict.fromkeys(ipc.STREAM_METHODS, ipc.QUICK_STREAM_SIZES),
    )
    chosen = re.compile(quick.pattern(["ipc"]))
    for suite, methods, sizes in (
        ("RoundTrip.track_roundtrip", calls, ipc.SIZES),
        ("OneWay.track_oneway", streams, ipc.STREAM_SIZES),
    ):
        assert all(isinstance(size, int) for size in sizes)
        for method, measured in methods.items():
            asked = [size for size in sizes if chosen.search(f"ipc.{suite}({method!r}, {size})")]
            assert asked == (measured if isinstance(measured, list) else []), (suite, method)
    left_out = {method for method, sizes in calls.items() if isinstance(sizes, str)}
    assert left_out == set(ipc.QUICK_WITHOUT)
    assert all(ipc.QUICK_SIZES[0] in calls[method] for method in calls if method not in left_out)


def test_asv_serves_only_where_its_socket_fits() -> None:
    with socket.socket(socket.AF_UNIX) as listener, tempfile.TemporaryDirectory() as folder:
        for length in range(len(folder) + 2, 100):
            temporary = folder + "/" + "x" * (length - len(folder) - 1)
            served = quick.launch_method(temporary) == "forkserver"
            path = Path(f"{temporary}/asv-forkserver-12345678/socket")
            assert served == (len(str(path)) <= 107)
        path.parent.mkdir(parents=True)
        with pytest.raises(OSError, match="too long"):
            listener.bind(str(path))


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


def test_what_cannot_be_measured_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(quick.PATTERNS, "ring_buffer", r"^ring_buffer\.Many\.track_many")
    (tmp_path / "aetherless_py").mkdir()
    (tmp_path / "aetherless_py/__init__.py").write_text("raise ImportError('it\\'s broken')")
    monkeypatch.setenv("ASV_PYTHONPATH", str(tmp_path))  # before what is installed
    output = tmp_path / "data"
    arguments = ["--quick", "--category", "ring_buffer", "--output", str(output)]
    assert run_benchmarks.main(arguments) == 1  # there is nothing else
    said = capsys.readouterr().out.splitlines()
    assert said == ["n/a: this commit's package has no ring: it's broken"]


def _machine_file() -> str | None:
    path = Path.home() / ".asv-machine.json"
    return path.read_text() if path.exists() else None


def test_measurements_outlive_an_output_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(quick.PATTERNS, "ring_buffer", r"^ring_buffer\.Many\.track_many\(64\)$")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    output = tmp_path / "data"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report, "write_atomically", full)
    arguments = ["--quick", "--category", "ring_buffer", "--iterations", "3", "--output"]
    assert run_benchmarks.main([*arguments, str(output)]) == 1
    said = capsys.readouterr().err
    monkeypatch.undo()
    found = re.search(r"are kept, export them with python -m tools.export (--store \S+)", said)
    assert found, said
    assert export.main([*found[1].split(), "--output", str(output)]) == 0
    [path] = output.iterdir()
    assert json.loads(path.read_text())["results"][0]["name"] == "ring_buffer_many_64"


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
    with pytest.raises(working_tree.NoCommitError, match="needs a git checkout"):
        working_tree.commit()
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *arguments], check=True)
    assert len(working_tree.commit()) == 40
    assert not [doubt for doubt in working_tree.doubts() if "differs" in doubt]
    (package / "a.pyx").write_text("changed")
    assert "the working tree differs from its commit in 1 files" in working_tree.doubts()
    assert "the build is older than its sources: run `make build`" not in working_tree.doubts()
    monkeypatch.setattr(working_tree, "_PACKAGE", package)
    assert any("the package measured is that of" in doubt for doubt in working_tree.doubts())
    assert working_tree._newest("*.pyx") > working_tree._oldest("*.so")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_run_that_is_stopped_leaves_nothing(tmp_path: Path, number: int, status: int) -> None:
    arguments = ["-m", "tools.run_benchmarks", "--quick", "--category", "ring_buffer"]
    with starts([*arguments, "--output", str(tmp_path / "data")], tmp_path) as process:
        shown = stop_while_measuring(process, number)
    assert process.returncode == status
    if number != signal.SIGKILL:
        assert shown.rstrip().endswith("run_benchmarks: interrupted; nothing was written")
        assert "Traceback" not in shown
        assert not list(tmp_path.iterdir())
