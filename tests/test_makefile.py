"""What the Makefile asks for, in whatever folder and repository, and when a step of it fails."""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from asv.config import Config

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = ROOT / "Makefile"
WATCHDOG_S = 60


class Project:
    """A folder with the Makefile, and with an asv and a python that note what they are asked.

    Args:
        folder: is made.
        asv, python: what these do then, in the shell's language.
    """

    def __init__(self, folder: Path, asv: str = "", python: str = "") -> None:
        self.folder = folder
        bin_folder = folder / ".venv/bin"
        bin_folder.mkdir(parents=True)
        for name in ("Makefile", "asv.conf.json"):
            shutil.copy(ROOT / name, folder)
        for name in ("bench", "dev", "peers"):
            (folder / f"requirements-{name}.txt").touch()
        for name in ("setup.py", "pyproject.toml"):
            (folder / name).touch()
        for name in ("installed", "checkers", "built"):
            (folder / ".venv" / name).touch()
        for name, code in (("asv", asv), ("python", python)):
            (bin_folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> done\n{code}\n')
            (bin_folder / name).chmod(0o755)
        (folder / ".asv-machine.json").write_text(f'"{platform.node()}"')
        git = ["git", "-c", "user.name=n", "-c", "user.email=e"]
        for command in (["init", "-q", "-b", "main"], ["commit", "-qm", "one", "--allow-empty"]):
            subprocess.run([*git, *command], cwd=folder, check=True)
        # Not as a part of the make that runs these tests.
        own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        self.environment = {**own, "HOME": str(folder)}

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs make there."""
        return subprocess.run(
            ["make", *arguments], cwd=self.folder, capture_output=True, text=True,
            env=self.environment,
        )  # fmt: skip

    def done(self) -> list[str]:
        """What asv and python were asked."""
        file = self.folder / "done"
        return file.read_text().splitlines() if file.exists() else []


def test_whatever_takes_its_time_says_how_long(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    listed = project.make().stdout.splitlines()
    told = {line.split()[1]: line for line in listed}
    # What is over at once, and what lasts until it is stopped.
    assert {name for name, line in told.items() if not line.endswith(")")} == {
        "help", "clean", "preview",
    }  # fmt: skip
    for name in ("bench", "load", "kills"):
        said = told[name].split(maxsplit=2)[2]
        assert f"make {name}: {said}" in project.make(name).stdout.splitlines()


@pytest.mark.parametrize("name", ["bench", "study"])
def test_measuring_here_goes_into_a_store_of_its_own(name: str, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", python="exit 1")
    done = project.make(name)
    assert done.returncode != 0  # as a benchmark failed
    selection = {"bench": "quick", "study": "study"}[name]
    assert project.done() == [
        f"python -m tools.run_benchmarks --{selection} --history .asv/{selection} --publish"
    ]


def test_who_stops_make_stops_what_measures(tmp_path: Path) -> None:
    project = Project(
        tmp_path / "project", python="trap 'touch put_away; exit 143' TERM\ntouch measures\n"
        "while :; do sleep 0.05; done",
    )  # fmt: skip
    running = subprocess.Popen(
        ["make", "bench"], cwd=project.folder, env=project.environment, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        until = time.monotonic() + WATCHDOG_S
        while not (project.folder / "measures").exists():
            assert running.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        running.send_signal(signal.SIGTERM)  # to make alone, as `kill` sends it
        running.wait(timeout=WATCHDOG_S)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert (project.folder / "put_away").exists()


@pytest.mark.parametrize(("status", "exported"), [(0, True), (1, False), (2, True)])
def test_history_goes_on_when_a_benchmark_fails_but_not_when_asv_does(
    tmp_path: Path, status: int, exported: bool
) -> None:
    project = Project(tmp_path / "sp ace", f'test "$1" != run || exit {status}')
    done = project.make("history", "N=3")
    assert (done.returncode == 0) == exported, done.stdout + done.stderr
    steps = project.done()
    assert steps[0] == "asv run --show-stderr --skip-existing HEAD -n 3"
    assert steps[1:] == (["python -m tools.export --all-history", "asv publish"] * exported)


def test_compare_has_a_store_of_its_own(tmp_path: Path) -> None:
    """asv writes over stored results of the same commits."""
    project = Project(tmp_path / "sp ace")
    assert project.make("compare", "CONTENDER=main").returncode == 0
    [asked] = [line for line in project.done() if line.startswith("asv")]
    [config] = re.findall("--config ([^ ]+) continuous --record-samples main main$", asked)
    store, usual = (
        project.folder / Config.load(str(project.folder / name)).results_dir
        for name in (config, "asv.conf.json")
    )
    assert store != usual
    # Nothing else differs: the environments, for one, are shared.
    before, after = (
        (project.folder / name).read_text().splitlines() for name in ("asv.conf.json", config)
    )
    assert len(before) == len(after)
    assert [line for line in after if line not in before] == ['    "results_dir": ".asv/compare",']
    store.mkdir(parents=True)
    assert project.make("clean").returncode == 0
    assert not (project.folder / config).exists() and not store.exists()


def test_compare_takes_a_part(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    assert project.make("compare", "BENCH=_64$$|\\(x, 'y'\\)").returncode == 0
    assert project.done() == [
        "asv --config asv.compare.json continuous --record-samples"
        " --bench _64$|\\(x, 'y'\\) main HEAD",
    ]


def test_compare_names_a_commit_that_is_not_there(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    subprocess.run(["git", "checkout", "-q", "--detach"], cwd=project.folder, check=True)
    subprocess.run(["git", "branch", "-qD", "main"], cwd=project.folder, check=True)
    done = project.make("compare")
    assert done.returncode != 0 and "there is no commit 'main'" in done.stdout
    assert project.done() == []
