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
    if together and not _fault_of(*together):
        together.clear()
    each_by_itself = [[line] for line in together] + [[line, "--no-deps"] for line in alone]
    for arguments in each_by_itself:
        if why := _fault_of(*arguments):
            what = f"{arguments[0]} cannot be installed"
            print(f"install_peers: {what}, its benchmarks are n/a: {why}")
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


if __name__ == "__main__":
    sys.exit(main())
