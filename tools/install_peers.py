"""Install what the ring is compared with: ``python tools/install_peers.py``.

Each line of requirements-peers.txt by itself, into the Python that runs this: what cannot be
installed is named, and its benchmarks are n/a; everything else goes on. Needs nothing installed.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[1] / "requirements-peers.txt"


def main() -> int:
    """Install; gives the exit status, which is 0 also where peers are missing."""
    for text in REQUIREMENTS.read_text().splitlines():
        line, _, remark = (each.strip() for each in text.partition("#"))
        if not line:
            continue
        name, _, wanted = line.partition("==")
        try:
            if version(name) == wanted:
                continue
        except PackageNotFoundError:
            pass
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", line]
        if remark == "alone":
            command.append("--no-deps")
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            why = (done.stderr.strip() or "pip gave no reason").splitlines()[-1]
            print(f"install_peers: {line} cannot be installed, its benchmarks are n/a: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
