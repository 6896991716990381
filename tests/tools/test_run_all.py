"""The script that runs everything: whatever a part does, the others are run and it is told.

Its parts take minutes even when quick, and have tests of their own: in their place stands a Python
that writes down what it is called with.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.tools.stopping import with_all_signals

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "run_all.sh"
WATCHDOG_S = 60
CATEGORIES = ("ring_buffer", "ipc", "cold_start", "e2e")
PYTHON = """#!/bin/bash
case "$*" in
    *--list*)
        [[ ! -e no_list ]] || exit 1
        printf '%s\\n  module.Class(parameter)\\n    a_row\\n' ring_buffer ipc cold_start e2e
        exit 0 ;;
esac
echo "$*" >>calls
[[ ! -e stop || $* != *ipc* ]] || {
    trap 'kill $!; touch put_away; exit 143' TERM
    sleep 600 &
    touch measures
    wait
}
[[ $2 == tools.table ]] || touch "${@: -1}/$RANDOM$RANDOM.json"
[[ ! -e bad || $* != *$(<bad)* ]] || exit 1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the script and nothing else."""
    for folder in ("tools", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "tools")
    python = tmp_path / ".venv/bin/python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return tmp_path


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [root / "tools/run_all.sh", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=with_all_signals,
    )  # fmt: skip


def run_all(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    with start(root, *arguments) as running:
        out, err = running.communicate(timeout=WATCHDOG_S)
    return subprocess.CompletedProcess(running.args, running.returncode, out, err)


def calls(root: Path) -> list[str]:
    file = root / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_every_part_is_run_into_one_folder(root: Path) -> None:
    done = run_all(root, "--quick", "--output", str(root / "out"))
    assert (done.returncode, done.stderr) == (0, "")
    *parts, table = calls(root)
    out = f"--output {root / 'out'}"
    assert parts == [
        *(f"-m tools.run_benchmarks --quick --category {name} {out}" for name in CATEGORIES),
        f"-m tools.http_ipc_baseline --iterations 3 {out}",
        f"-m tools.cold_start_baseline --iterations 3 {out}",
    ]
    files = sorted(str(each) for each in (root / "out").iterdir())
    assert table.split()[:2] == ["-m", "tools.table"] and sorted(table.split()[2:]) == files
    assert len(files) == 6


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        ("ring_buffer", "ring_buffer"),
        ("http_ipc_baseline", "HTTP, Unix socket and TCP"),
        ("cold_start_baseline", "cold starts by script"),
        ("tools.table", "the summary"),
    ],
)
def test_a_part_that_fails_costs_nothing_of_the_others(root: Path, bad: str, name: str) -> None:
    (root / "bad").write_text(bad)
    done = run_all(root)
    assert done.returncode == 1
    assert done.stderr == f"run_all.sh: failed: {name}\n"
    assert len(calls(root)) == 7
    [folder] = (root / "data").iterdir()
    assert len(list(folder.iterdir())) == 6


def test_without_quick_it_is_the_study(root: Path) -> None:
    out = f"--output {root / 'out'}"
    assert run_all(root, *out.split()).returncode == 0
    assert calls(root)[:-1] == [
        *(f"-m tools.run_benchmarks --study --category {name} {out}" for name in CATEGORIES),
        f"-m tools.http_ipc_baseline {out}",
        f"-m tools.cold_start_baseline {out}",
    ]


def test_categories_that_cannot_be_listed_are_a_failure(root: Path) -> None:
    (root / "no_list").touch()
    done = run_all(root, f"--output={root / 'out'}")
    assert done.returncode == 1
    assert done.stderr == "run_all.sh: failed: the list of categories\n"
    assert [each.split()[1] for each in calls(root)] == [
        "tools.http_ipc_baseline", "tools.cold_start_baseline", "tools.table",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_stops_it_stops_all_of_it(root: Path, number: int) -> None:
    (root / "stop").touch()
    with start(root, "--output", str(root / "out")) as running:
        try:
            until = time.monotonic() + WATCHDOG_S
            while not (root / "measures").exists():
                assert running.poll() is None and time.monotonic() < until
                time.sleep(0.01)
            running.send_signal(number)  # to the script alone, as `kill` sends it
            _, shown = running.communicate(timeout=WATCHDOG_S)  # nobody writes there any more
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 128 + number
    assert "interrupted; what was measured is in " in shown
    assert (root / "put_away").exists()  # by the part that was under way
    assert len(calls(root)) == 2 and len(list((root / "out").iterdir())) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fast"], "unknown argument '--fast'"),
        (["--output"], "--output needs a folder"),
        (["--output", "/dev/null/x"], "--output /dev/null/x: cannot be made"),
    ],
)
def test_bad_arguments_run_nothing(root: Path, arguments: list[str], says: str) -> None:
    done = run_all(root, *arguments)
    assert done.returncode == 2
    assert done.stderr == f"run_all.sh: {says}; see --help\n"
    assert calls(root) == []


def test_a_folder_that_holds_results_is_refused(root: Path) -> None:
    folder = root / "out"
    assert run_all(root, "--output", str(folder)).returncode == 0
    measured = calls(root)
    done = run_all(root, "--output", str(folder))
    assert done.returncode == 2
    assert done.stderr == (
        f"run_all.sh: --output {folder}: holds results already; name another folder; see --help\n"
    )
    assert calls(root) == measured
