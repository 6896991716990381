"""The goals: what a row says of a figure, and what the command refuses."""

from __future__ import annotations

import contextlib
import importlib

import numpy as np
import pytest

from benchmarks.experiments.base import Outcome, Trial
from benchmarks.load import ceiling
from tools.performance import __main__ as command
from tools.performance import e2e, serving
from tools.performance.goal import Goal, as_ratio
from tools.wrk import Load


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


def test_serving_gives_a_verdict_on_one_connection() -> None:
    loads = [Load(1000, 1_000_000, 0, p50, 900) for p50 in (180, 190, 200, 210, 220, 230)]
    found = {("1 connection", "aetherless"): loads}
    assert serving.table(found)[-1] == (
        "| 1 connection: p50 | 205 us [180 us, 230 us] | at most 250 us | met |"
    )


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (35_400_000, "35.4 MB: 8 bytes a request | at most 16 bytes a request | met |"),
        (33_600_000, "33.6 MB: -10 bytes a request | at most 16 bytes a request | met |"),
        (37_800_000, "37.8 MB: 32 bytes a request | at most 16 bytes a request | **missed** |"),
    ],
)
def test_serving_gives_a_verdict_on_memory(after: int, said: str) -> None:
    assert serving.growth_row(100_000, 34_600_000, after) == (
        f"| memory of the orchestrator, before and after 100,000 requests more | 34.6 MB, {said}"
    )


@pytest.mark.parametrize("part", command.PARTS)
def test_each_part_can_be_measured(part: str) -> None:
    assert callable(importlib.import_module(f"tools.performance.{part}").measure)


class FakeTrial(Trial):
    """Samples of which half of the capacity's are late where that is said, or some fail."""

    def __init__(self, name: str, cases: tuple[str, ...], doubt: str, failed: int) -> None:
        self.name, self._names, self._doubt, self._failed = name, cases, doubt, failed

    def run(self, samples: int, seed: int) -> dict[str, Outcome]:
        latencies_ns = [1e6 + number for number in range(samples)]
        doubts = [self._doubt] if self._doubt else []
        failures = {"reset": self._failed} if self._failed else {}
        return {
            name: Outcome(latencies_ns, failures=failures, doubts=doubts) for name in self._names
        }


def end_to_end(monkeypatch: pytest.MonkeyPatch, doubt: str = "", failed: int = 0) -> str:
    cases = {
        e2e.ECHO: (e2e.OURS, e2e.PROXIED),
        e2e.CHAIN: (e2e.TAIL, e2e.HOPS),
        e2e.HALF: (e2e.HALF,),
    }
    fakes = [FakeTrial(name, its, doubt, failed) for name, its in cases.items()]
    monkeypatch.setattr(e2e, "trials", lambda quick: fakes)
    monkeypatch.setattr(e2e, "attempt", lambda *_: ceiling.Trial(5000.0, 1e5, 0, True))
    monkeypatch.setattr(e2e, "noop_server", lambda _: contextlib.nullcontext(1))
    return "\n".join(e2e.measure(6))


def test_nothing_is_met_in_rounds_in_which_the_generator_was_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goal = f"| {e2e.TAIL_TO_MEDIAN.name} | 1.00 [1.00, 1.00] | at most 4.00 |"
    assert f"{goal} met |" in end_to_end(monkeypatch)
    late = end_to_end(monkeypatch, doubt="invalid: the generator was the bottleneck")
    assert f"{goal} **not shown** |" in late
    assert late.endswith("late in 6 rounds.")


def test_a_p99_is_told_with_samples_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told = end_to_end(monkeypatch)
    assert f"| {e2e.TAIL} | 1.00 ms | - |" in told
    assert f"| {e2e.OURS} | 1.00 ms | 1.00 ms |" in told


def test_failures_end_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="1 requests failed"):
        end_to_end(monkeypatch, failed=1)


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
