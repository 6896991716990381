"""Faults of real processes: whatever happens, nothing is left over and nothing is made up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.harness.processes import (
    ChildFailedError,
    WatchdogError,
    available_cpus,
    run_fresh,
)

ROOT = Path(__file__).resolve().parents[2]


def _run(name: str, cpu: int | None = None, timeout_s: float = 60.0, **arguments: object) -> Any:
    return run_fresh(f"tests.harness.children:{name}", arguments, timeout_s, cpu)


def _assert_gone(pid_file: Path) -> None:
    for pid in map(int, pid_file.read_text().split()):
        for _ in range(3000):  # an orphan is reaped by init, a moment later
            try:
                if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    break
            except psutil.NoSuchProcess:
                break
            time.sleep(0.01)
        else:
            pytest.fail(f"process {pid} is left over")


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_result_comes_back_and_nothing_stays_open() -> None:
    before = _open_files()
    value = {"a": [1, 2.5, None, "\u00e4"], "b": True}
    assert _run("echo", value=value) == value
    assert _run("noisy") == "kept apart"
    assert _open_files() == before


def test_pinned_fresh_and_behind_what_is_installed() -> None:
    cpu = available_cpus()[-1]
    found = _run("whereabouts", cpu)
    assert found["cpus"] == [cpu]
    assert found["pid"] != os.getpid()
    root = str(Path(__file__).resolve().parents[2])
    assert found["path"][-1] == root
    assert "" not in found["path"]


def test_a_pin_that_fails_is_an_error() -> None:
    with pytest.raises(ChildFailedError, match="Invalid argument"):
        _run("whereabouts", 1023)


def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    before = _open_files()
    with pytest.raises(WatchdogError, match="last words"):
        _run("hang", timeout_s=5.0, pid_file=str(pid_file))
    _assert_gone(pid_file)
    assert _open_files() == before


def test_a_crash_is_an_error() -> None:
    with pytest.raises(ChildFailedError, match="-11"):
        _run("crash")


def test_a_failure_brings_its_words() -> None:
    with pytest.raises(ChildFailedError, match="what went wrong"):
        _run("fail", words="what went wrong")


def test_what_is_lacking_stays_not_implemented() -> None:
    with pytest.raises(NotImplementedError) as caught:
        _run("lack", words="no ring here")
    assert str(caught.value) == "no ring here"


def test_what_a_task_leaves_behind_hides_nothing_and_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    before = _open_files()
    assert _run("leave_behind", pid_file=str(pid_file)) == "left"
    assert len(pid_file.read_text().split()) == 3
    _assert_gone(pid_file)
    assert _open_files() == before


def test_a_task_that_is_late_puts_its_things_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = {name for name in os.listdir("/dev/shm") if name.startswith("sem.")}
    pid_file = tmp_path / "things"
    with pytest.raises(WatchdogError):
        _run("hold", timeout_s=3.0, pid_file=str(pid_file))
    segment, file = pid_file.read_text().split()
    assert not Path("/dev/shm" + segment).exists()
    assert not Path(file).exists()
    assert list(tmp_path.iterdir()) == [pid_file]
    assert {name for name in os.listdir("/dev/shm") if name.startswith("sem.")} <= before


@pytest.mark.parametrize("module", ["ring_operations", "transports.sampling"])
def test_what_measuring_processes_import_is_light(module: str) -> None:
    # Numpy alone would double the time that a short measuring process takes.
    code = f"import sys, benchmarks.{module}; assert not {{'numpy', 'psutil'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_what_asvs_server_forks_dies_with_it(tmp_path: Path) -> None:
    code = """
import os, sys, time, types
sys.modules["asv_runner"] = types.ModuleType("asv_runner")
import benchmarks
ready, tell = os.pipe()
child = os.fork()
if child == 0:
    os.write(tell, b"x")
    time.sleep(600)
os.read(ready, 1)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    with (tmp_path / "child").open("w") as written:
        subprocess.run([sys.executable, "-c", code, "run_server"], cwd=ROOT, stdout=written)
    _assert_gone(tmp_path / "child")
