"""Progress of a session: a bar with the time left on a terminal, lines elsewhere."""

from __future__ import annotations

import pytest

from tools import progress
from tools.progress import SessionProgress

TURN_S = {"short": 1.0, "long": 99.0}


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_left_is_counted_in_time_and_not_in_turns(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_S", 0.0)
    monkeypatch.setattr(progress, "_TRUST_S", 1e9)  # that this machine is quick says nothing
    monkeypatch.setenv("COLUMNS", "120")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with SessionProgress(TURN_S.__getitem__, 300.0) as told:
        told(0, 4, "short")
        shown = capsys.readouterr().err
        assert "5 min left" in shown and "short" in shown
        told(1, 4, "long")
        told(2, 4, "long")
        at_half = capsys.readouterr().err
        assert "3 min left" in at_half
        told(4, 4, "measured")
    shown += at_half + capsys.readouterr().err
    assert shown.count("\n") == 4 or terminal
    assert ("2 of 4 turns measured, about 3 min left; next: long\n" in shown) is not terminal


def test_a_log_gets_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    with SessionProgress(TURN_S.__getitem__, 300.0) as told:
        for done in range(4):
            told(done, 4, "short")
    assert capsys.readouterr().err == ""
