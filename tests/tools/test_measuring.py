"""Measuring rows: what comes of them, also when a signal ends it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from tests.harness.made_up import MadeUp
from tools import working_tree
from tools.command import Refused
from tools.measuring import Outcome, hand_over, measure


def row(trial: MadeUp) -> Row:
    """The only row of a trial."""
    return Row(name=trial.name, trial=trial, part="", category="ipc", benchmark="ipc.C.track_time")


def ends_in_round(number: int, by: int) -> MadeUp:
    """A trial during whose turn a signal comes."""

    def turn(place: int) -> Samples:
        if place == number:
            os.kill(os.getpid(), by)
        return Samples(durations_ns=[5.0])

    return MadeUp("stopped", turn)


def test_rows_of_one_trial_and_partners_are_measured_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, other, partner = MadeUp("one"), MadeUp("other"), MadeUp("partner", 50.0)
    rows = [
        Row(name="first", trial=one, part="", beside={"partner": (partner, "")}),
        Row(name="second", trial=one, part=""),
        row(other),
    ]
    found = measure(rows, Selection.QUICK, rounds=7, iterations=3)
    assert [each.name for each in found.results] == ["first", "second", "other"]
    assert found.results[0].facts["ratio_to_partner"] == 2.0
    assert (found.missing, found.failed, found.interrupted) == ({}, {}, None)
    # A partner may have a turn more, beside what is compared with it.
    assert len(one.turns) == 7 <= len(partner.turns)
    assert found.results[0].rounds == found.results[1].rounds
    assert one.turns[0].iterations == 3 and one.turns[0].quick
    run = found.results[0].run
    assert (run.selection, run.rounds, run.interrupted) == ("quick", 7, False)
    assert run.commit == working_tree.commit()
    assert re.fullmatch(r"3 rows, 7 rounds: about \d+ s\n", capsys.readouterr().err)


def test_what_is_missing_or_fails_costs_nothing_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(working_tree, "warnings", lambda: ["it is a test"])
    rows = [
        row(MadeUp("one")),
        row(MadeUp("lacking", missing="no such part")),
        row(MadeUp("bad", RuntimeError("it broke"))),
    ]
    found = measure(rows, None, rounds=2)
    assert [each.name for each in found.results] == ["one"]
    assert "it is a test" in found.results[0].run.warnings
    assert found.missing == {"lacking": "no such part"}
    assert found.failed == {"bad": "bad: it broke"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_complete_rounds(number: int) -> None:
    rows = [row(ends_in_round(2, number)), row(MadeUp("one"))]
    found = measure(rows, None, rounds=4)
    assert found.interrupted == number and not found.failed
    kept = {each.name: each for each in found.results}
    assert len(kept["stopped"].rounds) == 2 and len(kept["one"].rounds) in (2, 3)
    assert all(each.run.interrupted for each in found.results)


def test_whose_turn_never_came_has_not_failed() -> None:
    found = measure([row(ends_in_round(0, signal.SIGINT))], None, rounds=2)
    assert found == Outcome([], {}, {}, signal.SIGINT)


def test_an_error_on_the_way_out_does_not_make_it_go_on() -> None:
    def turn(_: int) -> Samples:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            raise OSError("in place of what the signal raised")

    trial = MadeUp("one", turn)
    assert measure([row(trial)], None, rounds=4).interrupted == signal.SIGINT
    assert len(trial.turns) == 1


def test_a_package_that_is_not_built_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aetherless_py").mkdir()
    (tmp_path / "aetherless_py/__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Refused, match="the package is not built: run `make build`"):
        measure([row(MadeUp("one"))], None)


def test_each_reason_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacking = dict.fromkeys(["a_1", "a_2", "a_3"], "no compiler") | {"b": "no node"}
    assert hand_over("it", Outcome([], lacking, {}), tmp_path) == 1
    assert capsys.readouterr().out == "n/a: a_1 and 2 more: no compiler\nn/a: b: no node\n"
    assert hand_over("it", Outcome([], {}, {"c": "it broke"}), tmp_path) == 1
    assert capsys.readouterr().err == "it: failed: c: it broke\n"


def test_of_what_was_interrupted_one_line_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Outcome([], {"b": "no node"}, {"c": "it broke"}, signal.SIGTERM)
    assert hand_over("it", nothing, tmp_path) == 143
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == "it: interrupted; kept: nothing\n"
    assert not list(tmp_path.iterdir())
