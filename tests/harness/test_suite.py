"""What asv is given of a row, and what a row makes of what a session has measured."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import run_log
from benchmarks.harness.processes import ChildFailedError
from benchmarks.harness.result import Result
from benchmarks.harness.row import Row
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import VARIABLE, Selection
from benchmarks.harness.session import Measured, Session, Take, Trial, Turn
from benchmarks.harness.suite import _Suite
from tests.harness.made_up import MadeUp, run


class Fast(_Suite):
    """How fast is what nobody measured?"""

    category = "ipc"
    param_names = ("method", "payload_size_bytes")
    tracking = (("ring",), (64,))
    study = (("ring", "pipe", "lacking"), (64, 1024))

    def row(self, method: str, payload_size_bytes: int) -> Row:
        missing = "it is not installed" if method == "lacking" else None
        trial = MadeUp(
            f"{method}{payload_size_bytes}", 100.0 * (1 + (method == "pipe")), None, missing
        )
        ring = MadeUp(f"ring{payload_size_bytes}"), ""
        return Row(
            name=f"ipc_{method}_{payload_size_bytes}",
            trial=trial,
            part="",
            beside={} if method == "ring" else {"ring": ring},
            facts={"wait": "spin"},
            told=lambda rounds: {"rounds_told": len(rounds)},
        )


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv(run_log.FOLDER_VARIABLE, str(tmp_path / "log"))
    return tmp_path / "log"


def _logged(folder: Path) -> list[Result]:
    found = [each for path in folder.glob("*.jsonl") for each in run_log.read(path)]
    assert all(isinstance(each, Result) for each in found)
    return found  # type: ignore[return-value]


def test_the_rows_of_a_selection_are_the_product_of_its_axes() -> None:
    assert [row.name for row in Fast.rows(Selection.TRACKING)] == ["ipc_ring_64"]
    assert len(list(Fast.rows(Selection.STUDY))) == 6
    assert not list(Fast.rows(Selection.QUICK))
    row = Fast.row_of("pipe", 64)
    assert row.parameters == {"method": "pipe", "payload_size_bytes": 64}
    assert row.full_name.endswith("Fast.track_time('pipe', 64)")


def test_asv_sees_the_rows_of_the_selection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Fast.params == (("ring",), (64,))
    assert callable(Fast.track_time)
    monkeypatch.setenv(VARIABLE, "quick")

    class Other(Fast):
        """As Fast, when another selection is measured."""

    assert Other.track_time is None  # so that asv lists no benchmark without rows


def test_asv_gets_a_value_a_round_and_the_log_all_samples(log: Path) -> None:
    given = Fast().track_time("pipe", 64)
    assert given == {"samples": [2e-7] * 8, "number": 1}
    [result] = _logged(log)
    assert result.name == "ipc_pipe_64"
    assert [len(each.durations_ns) for each in result.rounds] == [3] * 8
    assert result.facts["ratio_to_ring"] == 2.0
    assert result.facts["ratio_to_ring_interval"] == [2.0, 2.0]
    assert (result.facts["wait"], result.facts["rounds_told"]) == ("spin", 8)
    assert result.run.selection == "tracking"


def test_what_is_missing_is_told_by_setup(log: Path) -> None:
    with pytest.raises(NotImplementedError, match="it is not installed"):
        Fast().setup("lacking", 64)
    Fast().setup("ring", 64)
    assert not log.exists()


def test_what_turns_out_to_be_missing_is_not_available(capsys: pytest.CaptureFixture[str]) -> None:
    class Late(Fast):
        """What if it is only found out on the way?"""

        def row(self, method: str, payload_size_bytes: int) -> Row:
            return Row(name="a", trial=MadeUp("a", NotImplementedError("no compiler")), part="")

    given = Late().track_time("ring", 64)
    assert isinstance(given, float) and math.isnan(given)
    assert "skipped: no compiler" in capsys.readouterr().err


def _result(trial: Trial, beside: Mapping[str, tuple[Trial, str]] | None = None) -> Result:
    row = Row(name="a", trial=trial, part="", beside=beside or {})
    session = Session(row.trials(), pairs=row.pairs())
    session.run()
    return row.result(session.measured, run())


def test_what_failed_is_no_result() -> None:
    with pytest.raises(RuntimeError, match="b: it broke"):
        _result(MadeUp("b", RuntimeError("it broke")))
    with pytest.raises(NotImplementedError, match="no compiler"):
        _result(MadeUp("b", missing="no compiler"))


def _failing(count: int) -> MadeUp:
    """Eight rounds, of which so many fail."""

    def samples(number: int) -> Samples:
        if number < count:
            raise ChildFailedError(f"it ended with status 1:\nTraceback\nValueError: {number}")
        return Samples(durations_ns=[100.0])

    return MadeUp("failing", samples)


def test_rounds_that_failed_are_left_out_and_counted() -> None:
    found = _result(_failing(4))
    assert found.invalid is None
    assert found.medians_ns == [100.0] * 4
    assert found.facts["invalid_rounds"] == 4
    words = "4 of 8 rounds are left out: it failed: ValueError: 0"
    assert found.warnings == [words]


def test_where_most_rounds_failed_so_did_the_row() -> None:
    with pytest.raises(RuntimeError, match=r"failing: it ended with status 1:\n.*\nValueError: 0"):
        _result(_failing(5))


def test_late_and_failed_rounds_count_together() -> None:
    def some(number: int) -> Samples:
        if number < 3:
            raise ChildFailedError("it broke")
        return Samples(durations_ns=[100.0], invalid="it was late" if number < 5 else None)

    found = _result(MadeUp("both", some))
    assert found.invalid == "it was late (5 of 8 rounds)"
    assert found.facts["invalid_rounds"] == 5
    assert len(found.rounds) == 5


def _late(count: int) -> MadeUp:
    """Eight rounds, of which so many are not valid."""

    def samples(number: int) -> Samples:
        why = "the generator was late" if number < count else None
        return Samples(durations_ns=[500.0 if why else 100.0], invalid=why)

    return MadeUp("late", samples)


def test_rounds_that_are_not_valid_are_left_out_and_counted() -> None:
    found = _result(_late(3))
    assert found.invalid is None
    assert found.medians_ns == [100.0] * 5
    assert found.facts["invalid_rounds"] == 3
    words = "3 of 8 rounds are left out: the generator was late"
    assert words in found.warnings


def test_a_result_most_of_whose_rounds_are_not_valid_is_not(log: Path) -> None:
    found = _result(_late(5))
    assert found.invalid == "the generator was late (5 of 8 rounds)"
    assert len(found.rounds) == 8

    class Late(Fast):
        """Is it late?"""

        def row(self, method: str, payload_size_bytes: int) -> Row:
            return Row(name="late", trial=_late(5), part="")

    given = Late().track_time("ring", 64)
    assert isinstance(given, float) and math.isnan(given)
    assert [each.invalid for each in _logged(log)] == [found.invalid]


def test_ratios_are_of_rounds_that_are_valid_on_both_sides() -> None:
    def growing(name: str, first: float) -> MadeUp:
        return MadeUp(name, lambda number: Samples(durations_ns=[first * (number + 1)]))

    facts: Any = _result(growing("double", 20.0), {"ring": (growing("ring", 10.0), "")}).facts
    assert facts["ratio_to_ring"] == 2.0
    for some in (_late(3), _failing(3)):
        facts = _result(some, {"ring": (growing("ring", 10.0), "")}).facts
        assert facts["ratio_to_ring"] == pytest.approx(100 / 60)
        assert "ratio_to_ring_interval" not in facts  # five rounds carry none
    for broken in (MadeUp("x", missing="-"), MadeUp("x", RuntimeError("-"))):
        found = _result(MadeUp("a"), {"ring": (broken, "")})
        assert "ratio_to_ring" not in found.facts
    assert "no ratio to ring, which failed" in found.warnings
    assert "ratio_to_ring" not in _result(_late(5), {"ring": (growing("ring", 10.0), "")}).facts


def test_a_ratio_is_that_of_rounds() -> None:
    # Half way through the machine becomes four times slower: both sides are hit, the ratio is not.
    def at(level: float) -> Callable[[int], Samples]:
        draw = random.Random(level)
        return lambda number: Samples(
            durations_ns=[draw.gauss(level, level / 40) * (1 + 3 * (number > 3)) for _ in range(50)]
        )

    facts = _result(MadeUp("slow", at(200.0)), {"fast": (MadeUp("fast", at(100.0)), "")}).facts
    low, high = facts["ratio_to_fast_interval"]
    assert 1.9 < low <= facts["ratio_to_fast"] <= high < 2.1


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    ratios = (9.0, 2.0, 4.0, 100.0, 3.0, 1.0, 5.0, 2.0)
    trial = MadeUp("a", lambda number: Samples(durations_ns=[ratios[number]]))
    facts = _result(trial, {"one": (MadeUp("one", 1.0), "")}).facts
    assert facts["ratio_to_one"] == 3.5
    assert facts["ratio_to_one_interval"] == [1.0, 100.0]


def _drawn(draw: random.Random, level: float, number: int) -> Samples:
    return Samples(durations_ns=[level * draw.lognormvariate(0, 0.5)])


def test_the_ratio_interval_covers_the_ratio() -> None:
    draw = random.Random(5)
    hits, runs = 0, 400
    for _ in range(runs):
        first, second = (
            MadeUp(name, partial(_drawn, draw, level))
            for name, level in (("first", 3.0), ("second", 1.0))
        )
        low, high = _result(first, {"it": (second, "")}).facts["ratio_to_it_interval"]
        hits += low <= 3 <= high
    assert hits / runs >= 0.95 - 4 * (0.95 * 0.05 / runs) ** 0.5


def test_of_several_turns_the_closest_make_the_ratio() -> None:
    own, other = Measured(), Measured()
    for number in range(8):
        first = 10 * number
        for measured, place, value in (
            (other, 0, 1.0), (own, 5, 8.0), (other, 6, 2.0), (other, 9, 4.0)
        ):  # fmt: skip
            samples = Samples(durations_ns=[value])
            measured.takes.append(Take(samples, "", number, first + place))
    row = Row(name="a", trial=MadeUp("a"), part="", beside={"b": (MadeUp("b"), "")})
    facts = row.result({"a": own, "b": other}, run()).facts
    assert facts["ratio_to_b"] == 4.0
    mine = Row(name="b", trial=MadeUp("b"), part="").result({"b": other}, run())
    assert (mine.medians_ns, mine.turns[:2]) == ([1.0] * 8, (0, 10))  # the first of each round
    late = Samples(durations_ns=[9.0], invalid="late")
    other.takes[0] = replace(other.takes[0], samples=late)
    mine = Row(name="b", trial=MadeUp("b"), part="").result({"b": other}, run())
    assert (mine.medians_ns[:2], mine.turns[:2]) == ([2.0, 1.0], (6, 10))


def test_a_ratio_on_which_rounds_disagree_says_so() -> None:
    wild = MadeUp("wild", lambda number: Samples(durations_ns=[100.0 * (1 + number % 4)]))
    found = _result(wild, {"ring": (MadeUp("ring"), "")})
    assert "rounds disagree on the ratio to ring" in found.warnings


def test_a_part_that_a_round_lacks_costs_that_round_alone() -> None:
    class Some(MadeUp):
        def run(self, turn: Turn) -> Mapping[str, Samples]:
            found = super().run(turn)
            return {} if len(self.turns) == 3 else found

    found = _result(Some("a"), {"ring": (MadeUp("ring"), "")})
    assert len(found.rounds) == 7
    assert found.facts["ratio_to_ring_interval"] == [1.0, 1.0]


def test_names_match_as_in_asv() -> None:
    row = Fast.row_of("ring", 64)
    assert re.search(r"Fast.track_time\('ring', 64\)", row.full_name)
