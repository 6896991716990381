"""What every test of a way of serving gets: a look at what is left over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.suites.starts.support import leaves_nothing


@pytest.fixture(autouse=True)
def nothing_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    tmp_path_factory.getbasetemp()
    with leaves_nothing(monkeypatch):
        yield
