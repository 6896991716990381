"""Durations: from the last time, or an estimate; said so that people can read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Session
from tests.harness.made_up import MadeUp
from tools import durations
from tools.durations import Durations, in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (75.4, "75 s"), (119.4, "119 s"), (200, "3 min"), (4200, "70 min"),
     (7800, "2 h 10 min")],
)  # fmt: skip
def test_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_last_time_is_better_than_an_estimate() -> None:
    trials = [MadeUp("one"), MadeUp("lacking", missing="a part"), MadeUp("bad", RuntimeError("no"))]
    trials[0].turn_s, trials[1].turn_s, trials[2].turn_s = 100.0, 200.0, 400.0
    assert Durations(Selection.TRACKING).turn_s(trials[0]) == 100.0
    session = Session(trials, rounds=3)
    session.run()
    Durations(Selection.TRACKING).note(session.measured)
    known = Durations(Selection.STUDY)  # whose turns are the same
    assert known.turn_s(trials[0]) < 100 and known.turn_s(trials[1]) == 0.0
    assert known.turn_s(trials[2]) == 400.0
    for other in (Durations(Selection.QUICK), Durations(Selection.STUDY, iterations=3)):
        assert other.turn_s(trials[0]) == 100.0


@pytest.mark.parametrize("text", ["{", "[]", '{"standard": 3}', '{"standard": {"one": "x"}}'])
def test_a_file_that_is_none_costs_nothing(durations: Path, text: str) -> None:
    durations.write_text(text)
    trial = MadeUp("one")
    assert Durations(None).turn_s(trial) == trial.turn_s
    session = Session([trial], rounds=1)
    session.run()
    Durations(None).note(session.measured)
    assert list(json.loads(durations.read_text())["standard"]) == ["one"]


def test_where_nothing_can_be_kept_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(durations.FILE_VARIABLE, "/proc/aetherless/durations.json")
    session = Session([MadeUp("one")], rounds=1)
    session.run()
    Durations(None).note(session.measured)
