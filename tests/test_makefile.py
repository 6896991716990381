"""What the Makefile does when a step of it fails."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.harness.asv_config import results_folder

ROOT = Path(__file__).resolve().parents[1]
MAKEFILE = ROOT / "Makefile"


def _project(folder: Path, asv: str = "") -> dict[str, str]:
    """A folder with the Makefile, and with an asv and a python that note what they are asked.

    Returns the environment for `make`.
    """
    shutil.copy(MAKEFILE, folder)
    for name in ("bench", "dev", "peers"):
        (folder / f"requirements-{name}.txt").touch()
    for name in ("setup.py", "pyproject.toml"):
        (folder / name).touch()
    bin_folder = folder / ".venv/bin"
    bin_folder.mkdir(parents=True)
    for name in ("installed", "checkers", "built"):
        (folder / ".venv" / name).touch()
    for name, code in (("asv", asv), ("python", "")):
        (bin_folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> done\n{code}\n')
        (bin_folder / name).chmod(0o755)
    (folder / ".asv-machine.json").write_text(f'"{platform.node()}"')
    return {**os.environ, "HOME": str(folder), "MAKEFLAGS": ""}


@pytest.mark.parametrize(("status", "exported"), [(0, True), (1, False), (2, True)])
def test_history_goes_on_when_a_benchmark_fails_but_not_when_asv_does(
    tmp_path: Path, status: int, exported: bool
) -> None:
    environment = _project(tmp_path, f'test "$1" != run || exit {status}')
    done = subprocess.run(
        ["make", "history", "N=3"], cwd=tmp_path, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert (done.returncode == 0) == exported, done.stdout + done.stderr
    steps = [line.split()[:3] for line in (tmp_path / "done").read_text().splitlines()]
    assert steps[0] == ["asv", "run", "--record-samples"]
    assert "--show-stderr" in (tmp_path / "done").read_text()  # why something is n/a
    assert steps[1:] == ([["python", "-m", "tools.export"], ["asv", "publish"]] if exported else [])


def test_compare_has_a_store_of_its_own(tmp_path: Path) -> None:
    """asv writes over stored results of the same commits."""
    environment = _project(tmp_path, 'echo "$AETHERLESS_JOURNAL_DIR" >> done')
    shutil.copy(ROOT / "asv.conf.json", tmp_path)
    subprocess.run(["make", "compare"], cwd=tmp_path, check=True, env=environment)
    asked, journal = (tmp_path / "done").read_text().splitlines()
    [config] = re.findall("--config ([^ ]+) continuous", asked)
    store = results_folder(tmp_path / config)
    assert store != results_folder(tmp_path / "asv.conf.json")
    assert Path(journal) == store / "journal"
    # Nothing else differs: the environments, for one, are shared.
    before, after = (
        (tmp_path / name).read_text().splitlines() for name in ("asv.conf.json", config)
    )
    assert len(before) == len(after)
    assert [line for line in after if line not in before] == ['    "results_dir": ".asv/compare",']
    store.mkdir(parents=True)
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, env=environment)
    assert not (tmp_path / config).exists() and not store.exists()
