"""The goals: what a row says of a figure, and what the command refuses."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from tools.performance import __main__ as command
from tools.performance.goal import Goal, as_ratio


def blocks(*medians: float) -> list[np.ndarray]:
    return [np.array([each, each, each]) for each in medians]


@pytest.mark.parametrize(
    ("bound", "at_least", "said"),
    [
        (4.0, False, "met"),
        (2.0, False, "**missed**"),
        (3.0, False, "**not shown**"),
        (2.0, True, "met"),
        (4.0, True, "**missed**"),
        (3.0, True, "**not shown**"),
    ],
)
def test_a_verdict_is_that_of_the_whole_interval(bound: float, at_least: bool, said: str) -> None:
    row = Goal("it", bound, at_least).of_ratio(
        blocks(25, 27, 29, 31, 33, 35), blocks(10, 10, 10, 10, 10, 10)
    )
    wanted = f"{'at least' if at_least else 'at most'} {bound:.2f}"
    assert row == f"| it | 3.00 [2.50, 3.50] | {wanted} | {said} |"


def test_a_figure_by_itself_is_the_median_of_the_rounds() -> None:
    row = Goal("it", 7).of_blocks(blocks(1, 2, 3, 4, 5, 6), as_ratio)
    assert row == "| it | 3.50 [1.00, 6.00] | at most 7.00 | met |"
    with pytest.raises(ValueError, match="too few"):
        Goal("it", 7).of_blocks(blocks(1, 2, 3, 4, 5), as_ratio)


@pytest.mark.parametrize("part", command.PARTS)
def test_each_part_can_be_measured(part: str) -> None:
    assert callable(importlib.import_module(f"tools.performance.{part}").measure)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "PART"),
        (["rings"], "rings"),
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
