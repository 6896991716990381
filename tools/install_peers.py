"""Install what the ring is compared with: ``python tools/install_peers.py``.

The lines of requirements-peers.txt, into the Python that runs this: what cannot be installed is
named, and its benchmarks are n/a; everything else goes on. Needs nothing installed.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements-peers.txt"


def main() -> int:
    """Install; gives the exit status, which is 0 also where peers are missing."""
    together: list[str] = []
    alone: list[str] = []
    for text in REQUIREMENTS.read_text().splitlines():
        line, _, remark = (each.strip() for each in text.partition("#"))
        if line and not _is_there(line):
            (alone if remark == "alone" else together).append(line)
    # At once where that can be: to ask for each by itself takes a third longer.
    if together and _fault_of(*together):
        for line in together:
            _say(line, _fault_of(line))
    for line in alone:
        _say(line, _fault_of(line, "--no-deps"))
    return 0


def _is_there(line: str) -> bool:
    name, _, wanted = line.partition("==")
    try:
        return version(name) == wanted
    except PackageNotFoundError:
        return False


def _fault_of(*arguments: str) -> str:
    """Why pip cannot install that; empty where it has."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip() or "pip gave no reason").splitlines()[-1]


def _say(line: str, why: str) -> None:
    if why:
        print(f"install_peers: {line} cannot be installed, its benchmarks are n/a: {why}")


if __name__ == "__main__":
    sys.exit(main())
