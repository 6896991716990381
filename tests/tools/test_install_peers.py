"""Peers are installed at once, or else one by one, and what cannot be is named."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import install_peers


@pytest.mark.parametrize("missing", ["no-such-a==1", "no-such-b==2", ""])
def test_at_once_or_else_one_by_one_and_alone_where_it_says_so(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    requirements = tmp_path / "requirements"
    requirements.write_text(
        "# a remark\n\nno-such-a==1\nno-such-b==2  # alone\npytest==0.0.1 # x\n"
    )
    monkeypatch.setattr(install_peers, "REQUIREMENTS", requirements)
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[command.index("--only-binary=:all:") + 1 :])
        failed = missing in command
        return subprocess.CompletedProcess(command, int(failed), "", "much\nno such thing\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert install_peers.main() == 0
    assert asked == [
        ["no-such-a==1", "pytest==0.0.1"],
        *([["no-such-a==1"], ["pytest==0.0.1"]] if missing == "no-such-a==1" else []),
        ["no-such-b==2", "--no-deps"],
    ]
    said = f"install_peers: {missing} cannot be installed, its benchmarks are n/a: no such thing\n"
    assert capsys.readouterr().out == (said if missing else "")


def test_what_is_there_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements"
    requirements.write_text(f"pytest=={pytest.__version__}  # alone\n")
    monkeypatch.setattr(install_peers, "REQUIREMENTS", requirements)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was"))
    assert install_peers.main() == 0
