"""Durations: from the last time, or an estimate; said so that people can read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.harness.row import Row
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import ROUNDS, Session
from benchmarks.suites import MODULES
from tests.harness.made_up import MadeUp
from tools import progress
from tools.progress import Durations, in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (75.4, "75 s"), (119.4, "119 s"), (200, "3 min"), (4200, "70 min"),
     (7800, "2 h 10 min")],
)  # fmt: skip
def test_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def rows(*trials: MadeUp, category: str = "") -> list[Row]:
    return [Row(name=trial.name, trial=trial, part="", category=category) for trial in trials]


def test_the_last_time_is_better_than_a_mean() -> None:
    trials = [MadeUp("one"), MadeUp("lacking", missing="a part"), MadeUp("bad", RuntimeError("no"))]
    own = rows(*trials, category="cold_start")
    mean_s = Durations(Selection.TRACKING).turns_s(own)["one"]
    assert Durations(Selection.TRACKING).turns_s(own) == dict.fromkeys(
        ("one", "lacking", "bad"), mean_s
    )
    session = Session(trials, rounds=3)
    session.run()
    Durations(Selection.TRACKING).note(session.measured)
    known = Durations(Selection.STUDY).turns_s(own)  # whose turns are the same
    assert known["one"] < mean_s and known["lacking"] == 0.0
    assert known["bad"] == Durations(Selection.STUDY, iterations=3).turns_s(own)["one"]
    assert known["one"] < known["bad"]
    assert Durations(Selection.QUICK).turns_s(own)["one"] != known["one"]


def test_each_suite_has_a_mean_and_of_asv_each_row_stands_alone() -> None:
    partner = MadeUp("partner")
    one = Row(name="one", trial=MadeUp("one"), part="", beside={"it": (partner, "")},
              category="ipc")  # fmt: skip
    for selection in Selection:
        told = Durations(selection)
        means = {category: told.turns_s(rows(partner, category=category)) for category in MODULES}
        assert len({mean["partner"] for mean in means.values()}) == len(MODULES)
        mean_s = means["ipc"]["partner"]
        assert told.turns_s([one, *rows(partner)])["one"] == mean_s
        # What the ratios need is measured again for each.
        alone_s = told.by_asv_s([one, one], 2)
        assert alone_s - told.by_asv_s([], 2) == pytest.approx(2 * 2 * ROUNDS * mean_s)


@pytest.mark.parametrize("text", ["{", "[]", '{"standard": 3}', '{"standard": {"one": "x"}}'])
def test_a_file_that_is_none_costs_nothing(durations: Path, text: str) -> None:
    durations.write_text(text)
    trial = MadeUp("one")
    assert Durations(None).turns_s(rows(trial)) == {"one": 1.0}
    session = Session([trial], rounds=1)
    session.run()
    Durations(None).note(session.measured)
    assert list(json.loads(durations.read_text())["standard"]) == ["one"]


def test_where_nothing_can_be_kept_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.FILE_VARIABLE, "/proc/aetherless/durations.json")
    session = Session([MadeUp("one")], rounds=1)
    session.run()
    Durations(None).note(session.measured)
