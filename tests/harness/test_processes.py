"""Faults of real processes: whatever happens, nothing is left over and nothing is made up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.harness.processes import (
    ChildFailedError,
    Task,
    WatchdogError,
    available_cpus,
    run_fresh,
    run_pair,
)

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


def _task(name: str, cpu: int | None = None, **arguments: object) -> Task:
    return Task(f"tests.harness.children:{name}", arguments, cpu)


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
    assert run_fresh(_task("echo", value=value), TIMEOUT_S) == value
    assert run_fresh(_task("noisy"), TIMEOUT_S) == "kept apart"
    assert _open_files() == before


def test_pinned_fresh_and_behind_what_is_installed() -> None:
    cpu = available_cpus()[-1]
    found = run_fresh(_task("whereabouts", cpu), TIMEOUT_S)
    assert found["cpus"] == [cpu]
    assert found["pid"] != os.getpid()
    root = str(Path(__file__).resolve().parents[2])
    assert found["path"][-1] == root
    assert "" not in found["path"]


def test_a_pin_that_fails_is_an_error() -> None:
    with pytest.raises(ChildFailedError, match="Invalid argument"):
        run_fresh(_task("whereabouts", 1023), TIMEOUT_S)


def test_a_timeout_kills_the_whole_group(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    before = _open_files()
    with pytest.raises(WatchdogError, match="last words"):
        run_fresh(_task("hang", pid_file=str(pid_file)), 5.0)
    _assert_gone(pid_file)
    assert _open_files() == before


def test_a_crash_is_an_error() -> None:
    with pytest.raises(ChildFailedError, match="-11"):
        run_fresh(_task("crash"), TIMEOUT_S)


def test_a_failure_brings_its_words() -> None:
    with pytest.raises(ChildFailedError, match="what went wrong"):
        run_fresh(_task("fail", words="what went wrong"), TIMEOUT_S)


def test_what_is_lacking_stays_not_implemented() -> None:
    with pytest.raises(NotImplementedError) as caught:
        run_fresh(_task("lack", words="no ring here"), TIMEOUT_S)
    assert str(caught.value) == "no ring here"


def test_a_pair_runs_at_the_same_time() -> None:
    cpu = available_cpus()[0]
    one, two = run_pair(_task("whereabouts", cpu), _task("echo", value=2), TIMEOUT_S)
    assert one["cpus"] == [cpu]
    assert two == 2


def test_what_a_task_leaves_behind_hides_nothing_and_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pids"
    before = _open_files()
    assert run_fresh(_task("leave_behind", pid_file=str(pid_file)), TIMEOUT_S) == "left"
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
        run_fresh(_task("hold", pid_file=str(pid_file)), 3.0)
    segment, file = pid_file.read_text().split()
    assert not Path("/dev/shm" + segment).exists()
    assert not Path(file).exists()
    assert list(tmp_path.iterdir()) == [pid_file]
    assert {name for name in os.listdir("/dev/shm") if name.startswith("sem.")} <= before


@pytest.mark.parametrize("turned", [False, True])
def test_one_failure_ends_the_pair(tmp_path: Path, turned: bool) -> None:
    pid_file = tmp_path / "pids"
    hang = _task("hang", pid_file=str(pid_file))
    fail = _task("fail_when", pid_file=str(pid_file), words="one of two")
    first, second = (fail, hang) if turned else (hang, fail)
    with pytest.raises(ChildFailedError, match="one of two"):
        run_pair(first, second, TIMEOUT_S)
    _assert_gone(pid_file)


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
