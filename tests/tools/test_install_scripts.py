"""The scripts that install what cold starts need: arguments, and what is there already."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from aetherless_py.start import criu_program
from aetherless_py.start.criu import Criu
from tools.working_tree import ROOT


def _run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", str(ROOT / "tools" / script), *arguments],
        capture_output=True, text=True, timeout=100, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments", "words"),
    [
        ("install_criu.sh", ["--frob"], "unknown argument '--frob'; see --help"),
        ("install_criu.sh", ["--prefix"], "--prefix needs a directory; see --help"),
        ("install_criu.sh", ["--suite"], "--suite needs a name; see --help"),
        ("install_criu.sh", ["--prefix", "/opt/a b"], "the prefix may hold only letters"),
        ("install_runtimes.sh", ["docker"], "unknown argument 'docker'; see --help"),
    ],
)
def test_bad_arguments(script: str, arguments: list[str], words: str) -> None:
    done = _run(script, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{script}: {words}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["install_criu.sh", "install_runtimes.sh"])
def test_help(script: str) -> None:
    done = _run(script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: {script} ")


def test_a_criu_that_works_is_left_as_it_is(tmp_path: Path) -> None:
    """It is proven by the dump and restore of a process; nothing of that stays."""
    if why := Criu.missing():
        pytest.skip(f"criu: {why}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "criu").symlink_to(str(criu_program.program()))
    with tempfile.TemporaryDirectory() as own:
        done = _run("install_criu.sh", "--prefix", str(tmp_path), TMPDIR=own)
        assert not os.listdir(own)
    assert done.returncode == 0, done.stderr
    assert "already works" in done.stdout
    assert os.listdir(tmp_path / "bin") == ["criu"]


def test_somebody_elses_folder_is_no_prefix(tmp_path: Path) -> None:
    """A CRIU that does not work is replaced, but not beside what this script did not put there."""
    if why := Criu.missing():
        pytest.skip(f"criu: {why}")
    if shutil.which("apt-get") is None:
        pytest.skip("there is no apt-get here, and so the script goes no further")
    (tmp_path / "bin").mkdir()
    broken = tmp_path / "bin" / "criu"
    # It says that all is well, and cannot dump.
    text = (
        "#!/bin/sh\ncase $1 in --version) echo Version: 9.9 ;; dump) echo not me; exit 1 ;; esac\n"
    )
    broken.write_text(text)
    broken.chmod(0o755)
    done = _run("install_criu.sh", "--prefix", str(tmp_path))
    assert done.returncode == 1
    assert "does not work (dump: not me)" in done.stdout
    assert "holds something that this script did not put there" in done.stderr
    assert broken.read_text() == text
