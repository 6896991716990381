"""Progress of a session: a bar with the time left on a terminal, lines elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tools import progress
from tools.progress import SessionProgress

TURN_S = {"short": 1.0, "long": 99.0}


@pytest.mark.parametrize("terminal", [False, True])
def test_what_is_left_is_counted_in_time_and_not_in_turns(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_S", 0.0)
    monkeypatch.setattr(progress, "_TRUST_S", 1e9)  # that this machine is quick says nothing
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=120)
    with SessionProgress(TURN_S.__getitem__, 300.0, console) as told:
        told(0, 4, "short")
        assert "5 min left" in written.getvalue() and "short" in written.getvalue()
        told(1, 4, "long")
        told(2, 4, "long")
        assert "3 min left" in written.getvalue()
        told(4, 4, "measured")
    shown = written.getvalue()
    assert shown.count("\n") == 4 or terminal
    assert ("2 of 4 turns measured, about 3 min left; next: long\n" in shown) is not terminal


def test_a_log_gets_a_line_a_minute() -> None:
    written = io.StringIO()
    with SessionProgress(TURN_S.__getitem__, 300.0, Console(file=written)) as told:
        for done in range(4):
            told(done, 4, "short")
    assert written.getvalue() == ""
