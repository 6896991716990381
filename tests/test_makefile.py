"""What the Makefile does when a step of it fails."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[1] / "Makefile"


@pytest.mark.parametrize(("status", "exported"), [(0, True), (1, False), (2, True)])
def test_history_goes_on_when_a_benchmark_fails_but_not_when_asv_does(
    tmp_path: Path, status: int, exported: bool
) -> None:
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("requirements-dev.txt", "requirements-peers.txt", "setup.py", "pyproject.toml"):
        (tmp_path / name).touch()
    bin_folder = tmp_path / ".venv/bin"
    bin_folder.mkdir(parents=True)
    for name in ("installed", "built"):
        (tmp_path / ".venv" / name).touch()
    for name, code in (("asv", f'test "$1" != run || exit {status}'), ("python", "")):
        (bin_folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> done\n{code}\n')
        (bin_folder / name).chmod(0o755)
    (tmp_path / ".asv-machine.json").write_text(f'"{platform.node()}"')
    done = subprocess.run(
        ["make", "history", "N=3"], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "HOME": str(tmp_path), "MAKEFLAGS": ""},
    )  # fmt: skip
    assert (done.returncode == 0) == exported, done.stdout + done.stderr
    steps = [line.split()[:3] for line in (tmp_path / "done").read_text().splitlines()]
    assert steps[0] == ["asv", "run", "--record-samples"]
    assert steps[1:] == ([["python", "-m", "tools.export"], ["asv", "publish"]] if exported else [])
