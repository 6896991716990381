"""A session: an order from a seed, and neither a lack nor a failure keeps the rest from it."""

from __future__ import annotations

from itertools import pairwise

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
    first = _order([MadeUp(name) for name in "abc"], 8, 3)
    assert first == _order([MadeUp(name) for name in "abc"], 8, 3)
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
    assert len(session.measured["same"].takes) == 3


def test_each_round_has_its_place_its_seed_and_its_time() -> None:
    trials = [MadeUp(name) for name in "ab"]
    session = Session(trials, 4, seed=7, iterations=5, quick=True)
    session.run()
    takes = [session.measured[name].takes for name in "ab"]
    assert sorted(each.place for each in takes[0] + takes[1]) == list(range(8))
    assert [each.place // 2 for each in takes[0]] == [0, 1, 2, 3]
    assert [each.number for each in takes[0]] == [0, 1, 2, 3]
    # The same in each session, so that commits see the same requests.
    assert [turn.seed for turn in trials[0].turns] == [TURN_SEED + number for number in range(4)]
    assert trials[0].turns[0].count(100, 20) == 5
    assert all(each.seconds >= 0 for each in takes[0])


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
    session = Session([broken, sound], 5)
    session.run()
    assert session.measured["b"].failed == words
    assert len(broken.turns) == 3  # then less than half of the rounds would be left
    assert len(session.measured["a"].takes) == 5


def test_a_failed_round_costs_no_other() -> None:
    def some(number: int) -> Samples:
        if number in (0, 3):
            raise ChildFailedError(f"it broke in {number}")
        return Samples(durations_ns=[1.0])

    session = Session([MadeUp("a", some)], 4)
    session.run()
    measured = session.measured["a"]
    assert [each.number for each in measured.takes] == [1, 2]
    assert measured.lost == ["a: it broke in 0", "a: it broke in 3"]
    assert measured.failed is None
    measured.takes.pop()
    assert measured.failed == "a: it broke in 0"


def test_a_failed_turn_is_no_lost_round_where_there_are_others() -> None:
    def now_and_then(number: int) -> Samples:
        if number % 2:
            raise RuntimeError("it broke")
        return Samples(durations_ns=[1.0])

    partner = MadeUp("partner", now_and_then, group="g")
    own = [MadeUp(f"own{number}", group="g") for number in range(4)]
    session = Session([partner, *own], 4, 3, pairs=[(each, partner) for each in own])
    session.run()
    measured = session.measured["partner"]
    assert [each.number for each in measured.takes] == [0, 1, 2, 3] == [*measured.failures]
    assert measured.lost == [] and measured.failed is None


def test_what_cannot_even_be_asked_for_is_a_failure() -> None:
    class Broken(MadeUp):
        def missing(self) -> str | None:
            raise OSError("no such file")

    broken = Broken("b")
    session = Session([broken, MadeUp("a")], 3)
    session.run()
    assert session.measured["b"].failed == "b: OSError: no such file"
    assert not broken.turns
    assert len(session.measured["a"].takes) == 3


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


def _rounds(session: Session) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(session.rounds)]
    for number, trial in session.turns:
        found[number].append(trial.name)
    return found


@pytest.mark.parametrize("others", range(1, 8))
def test_each_stands_directly_beside_its_partner(others: int) -> None:
    partner, loner = MadeUp("partner", group="g"), MadeUp("loner", group="g")
    own = [MadeUp(f"own{number}", group="g") for number in range(others)]
    for seed in range(8):
        session = Session([partner, loner, *own], 8, seed, pairs=[(each, partner) for each in own])
        for order, backwards in zip(_rounds(session)[::2], _rounds(session)[1::2], strict=True):
            assert backwards == order[::-1]
            beside = {frozenset(two) for two in pairwise(order)}
            assert all({each.name, "partner"} in beside for each in own)
            # Two share what they stand around; nothing else is measured twice.
            assert order.count("partner") == -(-others // 2)
            assert all(order.count(each.name) == 1 for each in (loner, *own))
        session.run()
        assert len(session.measured["own0"].takes) == 8


def test_one_with_several_partners_stands_between_two_of_them() -> None:
    partners = [MadeUp(name, group="g") for name in "xyz"]
    own = [MadeUp(name, group="g") for name in "abcd"]
    pairs = [(each, partner) for each in own for partner in partners]
    rounds = _rounds(Session([*partners, *own], 40, 7, pairs=pairs))
    between: set[frozenset[str]] = set()
    for order in rounds:
        assert len(order) <= 2 * len(own) + 2  # two share what stands between them
        for at, name in enumerate(order):
            if name in "abcd":
                sides = {*order[max(0, at - 1) : at], *order[at + 1 : at + 2]}
                assert len(sides & {*"xyz"}) == 2
                between.add(frozenset((name, *sides)))
    assert len(between) >= 12  # each of the four between any two of the three


def test_who_lacks_something_needs_no_partner_beside_it() -> None:
    partner, lacking = MadeUp("partner"), MadeUp("lacking", missing="no such part")
    pairs = [(lacking, partner), (MadeUp("own"), lacking)]
    session = Session([partner, lacking, MadeUp("own")], 2, pairs=pairs)
    assert [sorted(order) for order in _rounds(session)] == [["own", "partner"]] * 2


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
    assert len(session.measured["b"].takes) == 2
    assert len(session.measured["a"].takes) in (2, 3)
