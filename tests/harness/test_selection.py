"""The variable by which asv's processes are told what is measured."""

from __future__ import annotations

import pytest

from benchmarks.harness.selection import VARIABLE, Selection, selected


def test_tracking_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert selected() is Selection.TRACKING
    monkeypatch.setenv(VARIABLE, "study")
    assert selected() is Selection.STUDY


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fast")
    with pytest.raises(ValueError, match="AETHERLESS_SELECTION='fast': give one of tracking"):
        selected()
