"""A session: an order from a seed, and neither a lack nor a failure keeps the rest from it."""

from __future__ import annotations

import pytest

from benchmarks.harness.processes import ChildFailedError
from benchmarks.harness.samples import Samples
from benchmarks.harness.session import TURN_SEED, Session, Trial
from tests.harness.made_up import MadeUp


def _order(trials: list[MadeUp], rounds: int, seed: int) -> list[str]:
    told: list[str] = []
    session = Session(trials, rounds, seed, tell=lambda done, total, name: told.append(name))
    session.run()
    return told[:-1]


def test_it_is_interleaved_in_an_order_that_its_seed_gives() -> None:
    first = _order([MadeUp(name) for name in "abc"], 8, 7)
    assert first == _order([MadeUp(name) for name in "abc"], 8, 7)
    assert first != _order([MadeUp(name) for name in "abc"], 8, 8)
    rounds = [tuple(first[at : at + 3]) for at in range(0, 24, 3)]
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len(set(rounds)) > 2


def test_each_of_two_comes_first_equally_often() -> None:
    for seed in range(4):
        order = _order([MadeUp("own"), MadeUp("partner")], 8, seed)
        assert order[::2].count("own") == 4


def test_the_seed_is_drawn_and_told() -> None:
    seeds = {Session([MadeUp("a")]).seed for _ in range(8)}
    assert len(seeds) > 1


def test_trials_of_one_name_are_measured_once() -> None:
    first, second = MadeUp("same"), MadeUp("same")
    session = Session([first, second], 3)
    session.run()
    assert sorted(map(len, (first.turns, second.turns))) == [0, 3]
    assert len(session.measured["same"].rounds) == 3


def test_each_round_has_its_place_its_seed_and_its_time() -> None:
    trials = [MadeUp(name) for name in "ab"]
    session = Session(trials, 4, seed=7, iterations=5, quick=True)
    session.run()
    places = [session.measured[name].turns for name in "ab"]
    assert sorted(places[0] + places[1]) == list(range(8))
    assert [place // 2 for place in places[0]] == [0, 1, 2, 3]
    # The same in each session, so that commits see the same requests.
    assert [turn.seed for turn in trials[0].turns] == [TURN_SEED + number for number in range(4)]
    assert trials[0].turns[0].count(100, 20) == 5
    assert len(session.measured["a"].seconds) == 4


def test_what_is_wanted_of_a_turn() -> None:
    trial = MadeUp("a")
    Session([trial], 1, quick=True).run()
    assert trial.turns[0].count(100, 20) == 20
    assert trial.turns[0].count(100) == 100
    Session([trial], 1).run()
    assert trial.turns[1].count(100, 20) == 100


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ChildFailedError("it broke"), "b: it broke"),
        (AssertionError("a wrong answer"), "b: AssertionError: a wrong answer"),
        (KeyError("gateway"), "b: KeyError: 'gateway'"),
    ],
)
def test_a_failure_of_any_kind_costs_the_others_nothing(error: Exception, words: str) -> None:
    broken, sound = MadeUp("b", error), MadeUp("a")
    session = Session([broken, sound], 3)
    session.run()
    assert session.measured["b"].failed == words
    assert len(broken.turns) == 1
    assert len(session.measured["a"].rounds) == 3


def test_what_is_missing_says_why_and_is_not_asked_for() -> None:
    before, later = (
        MadeUp("a", missing="zmq is not installed"),
        MadeUp("b", NotImplementedError("no C")),
    )
    session = Session([before, later], 3)
    session.run()
    assert session.measured["a"].missing == "zmq is not installed"
    assert not before.turns
    assert session.measured["b"].missing == "no C"
    assert len(later.turns) == 1


def test_those_of_a_group_are_measured_right_after_each_other() -> None:
    trials = [MadeUp(f"{group}{member}", group=group) for group in "abc" for member in range(3)]
    order = _order(trials, 6, 7)
    threes = [order[at : at + 3] for at in range(0, 54, 3)]
    assert all(len({name[0] for name in three}) == 1 for three in threes)
    assert len({tuple(three) for three in threes}) > 3  # in other orders


def test_one_that_is_interrupted_keeps_what_it_has() -> None:
    def stop(number: int) -> Samples:
        if number == 2:
            raise KeyboardInterrupt
        return Samples(durations_ns=[1.0])

    trials: list[Trial] = [MadeUp("a"), MadeUp("b", stop)]
    session = Session(trials, 5)
    with pytest.raises(KeyboardInterrupt):
        session.run()
    assert session.interrupted
    assert len(session.measured["b"].rounds) == 2
    assert len(session.measured["a"].rounds) in (2, 3)
