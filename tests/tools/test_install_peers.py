"""Peers are installed one by one, and what cannot be is named."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tools import install_peers


def test_one_by_one_and_alone_where_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = tmp_path / "requirements"
    requirements.write_text(
        "# a remark\n\nno-such-a==1\nno-such-b==2  # alone\npytest==0.0.1 # x\n"
    )
    monkeypatch.setattr(install_peers, "REQUIREMENTS", requirements)
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command[command.index("install") + 1 :])
        failed = "no-such-b==2" in command
        return subprocess.CompletedProcess(command, int(failed), "", "much\nno such thing\n")

    monkeypatch.setattr(subprocess, "run", run)
    assert install_peers.main() == 0
    assert [[each for each in one if each[:7] not in ("--quiet", "--only-")] for one in asked] == [
        ["no-such-a==1"],
        ["no-such-b==2", "--no-deps"],
        ["pytest==0.0.1"],
    ]
    said = "no-such-b==2 cannot be installed, its benchmarks are n/a: no such thing"
    assert said in capsys.readouterr().out


def test_what_is_there_is_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements"
    requirements.write_text(f"pytest=={pytest.__version__}  # alone\n")
    monkeypatch.setattr(install_peers, "REQUIREMENTS", requirements)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was"))
    assert install_peers.main() == 0
