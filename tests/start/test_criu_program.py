"""Which CRIU is used, and why a machine is not fit for it: the reason and what would help."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aetherless_py import errors
from aetherless_py.start import criu_program
from aetherless_py.start.criu import Criu
from tests.start.support import descriptors, function


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is remembered of another test's CRIU; all are asked as root, on Linux 6.18."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "release", lambda: "6.18.5")
    for remembered in (criu_program.version, criu_program.unsuitable):
        remembered.cache_clear()
    yield
    for remembered in (criu_program.version, criu_program.unsuitable):
        remembered.cache_clear()


def _criu(folder: Path, version: str, check: str = "exit 0") -> str:
    """A program that says that it is this CRIU, and that its check comes out so."""
    path = folder / "criu"
    path.write_text(f'#!/bin/sh\nif [ "$1" = check ]; then {check}; fi\n{version}\n')
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize(
    ("version", "check", "words"),
    [
        ("echo Version: 3.17.1", "exit 0", r"CRIU 3\.17\.1 does not know the vDSO of Linux 6\.18"),
        ("echo Version: 4.0", "exit 0", r"CRIU 4\.0 does not know the vDSO of Linux 6\.18"),
        ("echo nothing", "exit 0", "tells no version: run tools/install_criu.sh as root"),
        ("echo Version: 4.1", "echo no ptrace; exit 1", "not fit: no ptrace: use one with CONFIG_"),
        ("echo Version: 4.1", "exit 1", "not fit: no word of why: use one with CONFIG_"),
    ],
)
def test_one_that_is_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, check: str, words: str
) -> None:
    monkeypatch.setenv(criu_program.PROGRAM_VARIABLE, _criu(tmp_path, version, check))
    before = descriptors()
    with pytest.raises(errors.StrategyMissingError, match=words), Criu() as made:
        made.prepare(function("odd:echo"))
    assert descriptors() == before


@pytest.mark.parametrize(("version", "kernel"), [("4.1", "6.18.5"), ("3.17.1", "6.12.40")])
def test_one_that_is_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, kernel: str
) -> None:
    monkeypatch.setattr(platform, "release", lambda: kernel)
    monkeypatch.setenv(criu_program.PROGRAM_VARIABLE, _criu(tmp_path, f"echo Version: {version}"))
    assert Criu.missing() is None


def test_one_that_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(criu_program.PROGRAM_VARIABLE, str(tmp_path / "none"))
    assert "none does not run" in (Criu.missing() or "")


def test_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(criu_program.PROGRAM_VARIABLE, raising=False)
    monkeypatch.setattr(criu_program, "INSTALLED", str(tmp_path / "none"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert Criu.missing() == "there is no CRIU here: run tools/install_criu.sh as root"


def test_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "run this as root" in (Criu.missing() or "")
