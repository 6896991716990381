"""The goals: what results say of them, and what the command prints."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from tests.harness.made_up import MadeUp, result
from tests.tools.stopping import starts, stop_while_measuring
from tools import progress
from tools.performance import __main__ as command
from tools.performance import evaluate as evaluating
from tools.performance.evaluate import MET, MISSED, NOT_MEASURED, NOT_SHOWN, Finding
from tools.performance.goals import GOALS, MEDIAN, P99, PARTS, TAIL_TO_MEDIAN, Goal

RATIO = Goal("ring", "it to the floor", "it", 3.0, "floor")


def rounds(*medians_ns: float, **facts: Any) -> list[Samples]:
    return [Samples(durations_ns=[each] * 3, facts=facts) for each in medians_ns]


def evaluate(goal: Goal, *sides: Sequence[Samples], **changes: Any) -> Finding:
    """What results of these rounds say; the first one is changed."""
    made = [
        result(name, own, **(changes if name == goal.row else {}))
        for name, own in zip(goal.rows, sides, strict=True)
    ]
    return evaluating.evaluate(goal, {each.name: each for each in made}, {})


def test_every_goal_names_rows_that_are_measured() -> None:
    known = command.rows()
    assert not [name for goal in GOALS for name in goal.rows if name not in known]
    assert len(set(GOALS)) == len(GOALS) == len({(goal.part, goal.name) for goal in GOALS})
    assert all(goal.bound > 0 for goal in GOALS)


@pytest.mark.parametrize(
    ("bound", "at_least", "said"),
    [
        (4.0, False, MET),
        (3.5, False, MET),
        (2.0, False, MISSED),
        (3.0, False, NOT_SHOWN),
        (2.0, True, MET),
        (2.5, True, MET),
        (4.0, True, MISSED),
        (3.0, True, NOT_SHOWN),
    ],
)
def test_a_verdict_is_that_of_the_whole_interval(bound: float, at_least: bool, said: str) -> None:
    goal = Goal("ring", "it", "it", bound, "floor", at_least=at_least)
    found = evaluate(goal, rounds(25, 27, 29, 31, 33, 35), rounds(10, 10, 10, 10, 10, 10))
    assert (found.value, found.low, found.high) == (3.0, 2.5, 3.5)
    assert (found.verdict, found.why, found.sides, found.rounds) == (said, None, (30.0, 10.0), 6)


def test_a_ratio_is_that_of_each_round() -> None:
    slow, fast = rounds(1, 2, 3, 4, 5, 600), rounds(2, 4, 6, 8, 10, 1200)
    found = evaluate(RATIO, slow, fast)
    assert (found.value, found.low, found.high, found.verdict) == (0.5, 0.5, 0.5, MET)


@pytest.mark.parametrize(
    ("figure", "value"),
    [(MEDIAN, 500.5), (P99, 990.0), (TAIL_TO_MEDIAN, 990 / 500.5), ("lag_ns", 7.0)],
)
def test_a_figure_is_the_median_of_what_each_round_gives(figure: str, value: float) -> None:
    one = Samples(durations_ns=[float(number) for number in range(1, 1001)], facts={"lag_ns": 7})
    found = evaluate(Goal("ring", "it", "it", value, figure=figure), [one] * 6)
    assert (found.value, found.verdict) == (value, MET)
    found = evaluate(Goal("ring", "it", "it", value * 0.9, figure=figure), [one] * 6)
    assert found.verdict == MISSED


def test_what_shrinks_has_not_grown() -> None:
    goal = Goal("serving", "growth", "it", 16, figure="memory_growth_bytes_per_request")
    fewer = rounds(1, 1, 1, 1, 1, 1, memory_growth_bytes_per_request=-10.0)
    assert evaluate(goal, fewer).verdict == MET
    more = rounds(1, 1, 1, 1, 1, 1, memory_growth_bytes_per_request=32.0)
    assert evaluate(goal, more).verdict == MISSED


def test_too_few_rounds_show_nothing() -> None:
    found = evaluate(RATIO, rounds(1, 1, 1, 1, 1), rounds(1, 1, 1, 1, 1, 1))
    assert (found.verdict, found.value, found.rounds) == (NOT_SHOWN, 1.0, 5)
    assert found.why == "5 rounds are too few for an interval of 95%"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"invalid": "the generator was late"}, "invalid: the generator was late"),
        ({"facts": {"invalid_rounds": 2}}, "2 of 8 rounds are invalid"),
    ],
)
def test_nothing_is_met_by_rounds_that_are_left_of_invalid_ones(
    changes: dict[str, Any], why: str
) -> None:
    found = evaluate(RATIO, rounds(1, 1, 1, 1, 1, 1), rounds(1, 1, 1, 1, 1, 1), **changes)
    assert (found.verdict, found.why, found.value) == (NOT_SHOWN, why, 1.0)


def test_what_is_missing_is_not_measured() -> None:
    only = {"it": result("it", rounds(1, 1, 1, 1, 1, 1))}
    found = evaluating.evaluate(RATIO, only, {"floor": "there is no C compiler"})
    assert (found.verdict, found.why) == (NOT_MEASURED, "there is no C compiler")


# -- the command --

Declare = Callable[..., None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Declare:
    """Puts other goals in place of ours, about trials that nobody has to measure."""
    monkeypatch.setenv(progress.FILE_VARIABLE, str(tmp_path / "durations.json"))

    def put(*goals: Goal, **trials: MadeUp) -> None:
        made = {
            name: Row(name=name, trial=trial, part="", category="ring", benchmark="a.B.track_c")
            for name, trial in trials.items()
        }
        monkeypatch.setattr(command, "GOALS", goals)
        monkeypatch.setattr(command, "rows", lambda: made)

    return put


@pytest.mark.parametrize("width", [60, 80])
def test_findings_fit_the_width_that_they_are_given(
    width: int,
    declare: Declare,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long = Goal("ring", "a name that is as long as " + "those of the goals " * 4, "it", 3, "floor")
    alone = Goal("e2e", "it by itself", "it", 250e3)
    declare(long, alone, it=MadeUp("it", 200e3), floor=MadeUp("floor", 100e3))
    assert command.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[: next(at for at, line in enumerate(lines) if "cores" in line)]
    assert max(map(len, table)) <= width
    assert any("2 [2, 2]" in line and "<= 3" in line for line in table)
    assert any("200 us / 100 us" in line and "met" in line for line in table)
    assert any("200 us [200 us, 200 us]" in line and "<= 250 us" in line for line in table)


@pytest.mark.parametrize(
    ("trials", "status", "verdict", "why"),
    [
        ({}, 0, MET, None),
        ({"it": MadeUp("it", 900.0)}, 1, MISSED, None),
        ({"floor": MadeUp("floor", missing="no compiler")}, 1, NOT_MEASURED, "no compiler"),
        ({"it": MadeUp("it", RuntimeError("broken"))}, 1, NOT_MEASURED, "it: broken"),
        (
            {"it": MadeUp("it", lambda at: Samples(durations_ns=[1.0 + 999.0 * (at % 2)]))},
            0, NOT_SHOWN, None,
        ),
    ],
)  # fmt: skip
def test_the_status_says_whether_one_is_missed(
    trials: dict[str, MadeUp],
    status: int,
    verdict: str,
    why: str | None,
    declare: Declare,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = Goal("ring", "another", "floor", 1e9)
    declare(RATIO, other, **{"it": MadeUp("it"), "floor": MadeUp("floor"), **trials})
    assert command.main(["ring", "--json"]) == status
    document = json.loads(capsys.readouterr().out)
    [found, _] = document["goals"]
    assert (found["verdict"], found["why"]) == (verdict, why)
    assert found["name"] == RATIO.name and found["bound"] == 3.0 and found["row"] == "it"
    assert document["system_info"] is None or document["system_info"]["cpu_cores"]
    if verdict == MET:
        assert (found["value"], found["rounds"]) == (1.0, command.ROUNDS)
    assert command.main(["ring"]) == status
    shown = capsys.readouterr().out
    assert verdict in shown
    assert why is None or (f"\n{verdict}: {RATIO.name}" in shown and f": {why}\n" in shown)


def test_goals_of_as_many_samples_share_a_session(
    declare: Declare, capsys: pytest.CaptureFixture[str]
) -> None:
    it, floor = MadeUp("it"), MadeUp("floor")
    p99 = Goal("ring", "p99", "it", 100, figure=P99, samples=1000)
    declare(RATIO, p99, Goal("ipc", "elsewhere", "floor", 1), it=it, floor=floor)
    assert command.main(["ring", "--rounds", "6"]) == 0
    assert [turn.iterations for turn in it.turns] == [None] * 6 + [1000] * 6
    assert len(floor.turns) == 6
    assert capsys.readouterr().err.count("6 rounds") == 2


def test_what_is_interrupted_is_kept_and_marked(
    declare: Declare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stops(turn: int) -> Samples:
        if turn == 6 + 3:  # in the second session
            os.kill(os.getpid(), signal.SIGINT)
        return Samples(durations_ns=[1.0] * 3)

    it, floor = MadeUp("it", stops), MadeUp("floor")
    declare(RATIO, Goal("ring", "p99", "it", 100, figure=P99, samples=1000), it=it, floor=floor)
    arguments = ["--rounds", "6", "--output", str(tmp_path / "data")]
    assert command.main(["ring", *arguments]) == 128 + signal.SIGINT
    shown = capsys.readouterr()
    assert shown.out == ""
    line = f"performance: interrupted; kept: 2 files in {tmp_path / 'data'}, marked"
    assert shown.err.splitlines()[-1] == line
    kept = [json.loads(path.read_text()) for path in (tmp_path / "data").iterdir()]
    rounds = {each["run"]["interrupted"]: each["results"][0]["metadata"]["processes"]
              for each in kept}  # fmt: skip
    assert rounds == {False: 6, True: 3}  # the first session had come to its end


def test_the_list_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list", "serving"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == sum(goal.part == "serving" for goal in GOALS)
    assert "serving: 1 connection: p50: <= 250 us" in lines
    assert "serving: memory of the orchestrator: growth a request: <= 16 bytes" in lines
    assert command.main(["--list"]) == 0
    assert {line.partition(":")[0] for line in capsys.readouterr().out.splitlines()} == set(PARTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rings"], "rings: there is no such PART; give ring, ipc"),
        (["ring", "--rounds", "5"], "at least 6"),
        (["ring", "--rounds", "x"], "--rounds"),
    ],
)
def test_bad_arguments_are_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    printed = capsys.readouterr().err
    assert ended.value.code == 2
    assert said in printed and printed.count("\n") == 1, printed


def test_a_goal_is_measured_for_real(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(progress.FILE_VARIABLE, str(tmp_path / "durations.json"))
    own = [goal for goal in GOALS if "one thread" in goal.name]
    monkeypatch.setattr(command, "GOALS", own)
    status = command.main(["ring", "--rounds", "6", "--json"])
    [found] = json.loads(capsys.readouterr().out)["goals"]
    assert found["rounds"] == 6 and found["low"] <= found["value"] <= found["high"]
    ring_ns, floor_ns = found["sides"]
    assert ring_ns > floor_ns > 0
    assert status == (found["verdict"] == MISSED)


def test_an_interruption_is_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(progress.FILE_VARIABLE, str(tmp_path / "durations.json"))
    arguments = ["-m", "tools.performance", "ring", "--rounds", "1000"]
    arguments += ["--output", str(tmp_path / "data")]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with starts(arguments, temporary) as process:
        printed, said = stop_while_measuring(process, signal.SIGINT)
    assert process.returncode == 130
    assert printed == ""
    plan, line = said.splitlines()
    assert plan.startswith("12 rows, 1000 rounds: about ")
    assert line.startswith("performance: interrupted; kept: ")
    assert "Traceback" not in said and not list(temporary.iterdir())
