"""The command that measures the generator itself; how fast this machine is, no test says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load import ceiling

ROOT = Path(__file__).resolve().parents[3]


def test_it_finds_the_highest_rate_that_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def trial(_port: int, rate_per_s: float, _run_s: float, _cpu: int) -> ceiling.Trial:
        asked.append(rate_per_s)
        # The first attempt at each rate is disturbed.
        return ceiling.Trial(rate_per_s, 5, 0, rate_per_s <= 7000 and rate_per_s in asked[:-1])

    monkeypatch.setattr(ceiling, "attempt", trial)
    found = ceiling.ceiling(1.0)
    highest_per_s = max(each.rate_per_s for each in found if each.holds)
    assert 7000 / ceiling.CLOSE_ENOUGH <= highest_per_s <= 7000
    assert [each.rate_per_s for each in found] == asked
    assert asked.count(8000) == ceiling.ATTEMPTS


@pytest.mark.slow
def test_the_command_measures() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load.ceiling", "--seconds", "0.1"],
        cwd=ROOT, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ceiling: .*\d+ requests a second", done.stdout, re.MULTILINE)
    assert re.search(r"^load average at the start: ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("seconds", ["0", "nan", "-1", "1e9", "soon"])
def test_a_bad_argument_gets_one_clear_line(seconds: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load.ceiling", f"--seconds={seconds}"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 + (seconds == "soon")  # argparse's usage
    assert "--seconds" in done.stderr
