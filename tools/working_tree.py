"""What is measured when the present environment is: this tree as it lies there, as it is built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
UNKNOWN = "unknown"
NOT_BUILT = "the package is not built: run `make build`, then use .venv/bin/python"
_PACKAGE = ROOT / "aetherless_py"
_SOURCES = ("*.pyx", "*.pxd", "*.c", "*.h")


def commit() -> str:
    """The hash of the tree's commit; `UNKNOWN` without one, or without git."""
    return _git("rev-parse", "HEAD").strip() or UNKNOWN


def warnings() -> list[str]:
    """Why what is measured may not be what that commit holds."""
    found = []
    changed = _git("status", "--porcelain", "--untracked-files=no").splitlines()
    # A file that is put into one of these is measured, whether git knows it or not.
    others = ("ls-files", "--others", "--exclude-standard", "--", "aetherless_py", "benchmarks")
    changed += _git(*others).splitlines()
    if changed:
        found.append(f"the working tree differs from its commit in {len(changed)} files")
    package = measured_package()
    if package is not None and package != _PACKAGE:
        found.append(f"the package measured is that of {package}")
    elif max(_changed(*_SOURCES), default=0.0) > min(_changed("*.so"), default=0.0):
        found.append("the build is older than its sources: run `make build`")
    return found


def measured_package() -> Path | None:
    """Where measuring processes find the package; None where they find none that is built."""
    code = "import aetherless_py.shm; print(aetherless_py.__path__[0])"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def _git(*arguments: str) -> str:
    """What git prints; nothing where it fails, or where there is none."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def _changed(*patterns: str) -> list[float]:
    """When files of the package were changed, but for C that is made of Cython."""
    made = {path.with_suffix(".c") for path in _PACKAGE.rglob("*.pyx")}
    paths = {path for pattern in patterns for path in _PACKAGE.rglob(pattern)} - made
    return [path.stat().st_mtime for path in paths]
