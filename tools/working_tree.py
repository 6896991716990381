"""What is measured when the present environment is: this tree as it lies there, as it is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_PACKAGE = ROOT / "aetherless_py"
_SOURCES = ("*.pyx", "*.pxd", "*.c", "*.h")


class NoCommitError(Exception):
    """The tree is no git checkout with a commit; the message says why."""


def commit() -> str:
    """The hash of the tree's commit.

    Raises:
        NoCommitError: there is none.
    """
    found = _git("rev-parse", "HEAD")
    if found.returncode != 0:
        raise NoCommitError(f"{ROOT}: needs a git checkout with a commit: {found.stderr.strip()}")
    return found.stdout.strip()


def doubts() -> list[str]:
    """Why what is measured may not be what that commit holds."""
    found = []
    changed = _git("status", "--porcelain", "--untracked-files=no").stdout.splitlines()
    if changed:
        found.append(f"the working tree differs from its commit in {len(changed)} files")
    where = subprocess.run(
        [sys.executable, "-P", "-c", "import aetherless_py; print(aetherless_py.__file__)"],
        capture_output=True, text=True, cwd="/",
    ).stdout.strip()  # fmt: skip
    if not where:
        found.append("the package is not installed: run `make build`")
    elif Path(where).parent != _PACKAGE:
        found.append(f"the package measured is that of {Path(where).parent}")
    elif _newest(*_SOURCES) > _oldest("*.so"):
        found.append("the build is older than its sources: run `make build`")
    return found


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True)
    except OSError as error:  # there is no git here
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _moments(*patterns: str) -> list[float]:
    built = {path.with_suffix(".c") for path in _PACKAGE.rglob("*.pyx")}
    paths = {path for pattern in patterns for path in _PACKAGE.rglob(pattern)} - built
    return [path.stat().st_mtime for path in paths]


def _newest(*patterns: str) -> float:
    return max(_moments(*patterns), default=0.0)


def _oldest(*patterns: str) -> float:
    return min(_moments(*patterns), default=0.0)
