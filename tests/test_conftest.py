"""What every test gets does notice what it is meant to notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).with_name("conftest.py")
TESTS = """
from pathlib import Path

STORE = Path(__file__).parents[1] / ".asv/results"

def test_that_looks():
    assert (STORE / "benchmarks.json").read_text() == "{}"

def test_that_adds():
    (STORE / "journal").mkdir()
    (STORE / "journal/record.jsonl").write_text("{}")

def test_that_changes():
    (STORE / "benchmarks.json").write_text("")
"""


def test_one_that_changes_the_projects_own_store_fails(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    shutil.copy(CONFTEST, folder)
    (folder / "test_some.py").write_text(TESTS)
    (tmp_path / ".asv/results").mkdir(parents=True)
    (tmp_path / ".asv/results/benchmarks.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert "3 passed, 2 errors" in done.stdout, done.stdout + done.stderr
    assert "ERROR tests/test_some.py::test_that_adds" in done.stdout
    assert "ERROR tests/test_some.py::test_that_changes" in done.stdout
