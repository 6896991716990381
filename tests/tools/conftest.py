"""What the tests of the tools share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.progress import FILE_VARIABLE


@pytest.fixture(autouse=True)
def durations(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of its own for what measuring took, also of processes that a test starts."""
    file = tmp_path_factory.mktemp("durations") / "durations.json"
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    return file
