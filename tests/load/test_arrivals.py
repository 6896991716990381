"""Arrival processes: their closed forms, their seeds, and traces that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.load.arrivals import (
    TraceError,
    burst,
    constant,
    poisson,
    poisson_of,
    replayed,
)


def test_a_constant_rate_is_spaced_exactly() -> None:
    schedule = constant(4000, 2.5)
    assert len(schedule.intended_ns) == 10_000
    assert set(np.diff(schedule.intended_ns)) == {250_000}
    assert schedule.intended_ns[0] == 0
    assert schedule.offered_per_s == 4000
    assert schedule.seed is None


def test_a_rate_that_divides_no_second_does_not_drift() -> None:
    schedule = constant(3, 1000)
    assert schedule.intended_ns[-1] == round(2999 * 1e9 / 3)
    assert set(np.diff(schedule.intended_ns)) == {333_333_333, 333_333_334}


def test_poisson_has_the_moments_of_its_closed_form() -> None:
    rate, duration_s = 1000.0, 100.0
    schedule = poisson(rate, duration_s, seed=7)
    count, mean = len(schedule.intended_ns), rate * duration_s
    assert abs(count - mean) < 4 * mean**0.5  # the number's variance is its mean
    gaps_s = np.diff(schedule.intended_ns) / 1e9
    assert abs(gaps_s.mean() * rate - 1) < 4 / count**0.5  # the deviation of a gap is its mean
    assert abs(gaps_s.std() * rate - 1) < 4 * (2 / count) ** 0.5  # kurtosis 9: (9 - 1) / 4 = 2
    for quantile in (0.1, 0.5, 0.9, 0.99):  # of the exponential: -ln(1 - q) / rate
        share = (gaps_s * rate <= -np.log(1 - quantile)).mean()
        assert abs(share - quantile) < 4 * (quantile * (1 - quantile) / count) ** 0.5
    in_a_second = np.bincount((schedule.intended_ns // 10**9).astype(int), minlength=100)
    assert 0.4 < in_a_second.var() / in_a_second.mean() < 1.8  # 1, give or take 4 * (2 / 100)**0.5
    assert schedule.intended_ns[0] > 0  # after a gap, too
    assert schedule.intended_ns.max() < duration_s * 1e9
    assert (np.diff(schedule.intended_ns) >= 0).all()


def test_a_seed_gives_the_same_schedule_again_and_is_drawn_where_none_is_named() -> None:
    first, other = poisson(500, 2), poisson(500, 2)
    assert first.seed is not None and first.seed != other.seed
    again = poisson(500, 2, first.seed)
    assert again.intended_ns.tolist() == first.intended_ns.tolist()
    assert other.intended_ns.tolist() != first.intended_ns.tolist()


def test_poisson_of_a_count_is_one_pattern_stretched_over_the_rate() -> None:
    slow, fast = poisson_of(100, 10_000, seed=3), poisson_of(400, 10_000, seed=3)
    assert len(slow.intended_ns) == len(fast.intended_ns) == 10_000
    np.testing.assert_allclose(slow.intended_ns, fast.intended_ns * 4.0, rtol=0, atol=4)
    assert slow.duration_s * 1e9 == pytest.approx(slow.intended_ns[-1], abs=1)
    gaps = np.diff(slow.intended_ns) / 1e9 * 100  # of a mean of 1
    assert abs(gaps.mean() - 1) < 4 / len(gaps) ** 0.5
    assert abs(gaps.std() - 1) < 4 * (2 / len(gaps)) ** 0.5
    assert poisson_of(100, 10_000, seed=4).intended_ns.tolist() != slow.intended_ns.tolist()


def test_bursts_come_at_once_and_periodically() -> None:
    schedule = burst(3, 0.1, 0.3)
    assert schedule.intended_ns.tolist() == [0] * 3 + [100_000_000] * 3 + [200_000_000] * 3
    assert schedule.offered_per_s == pytest.approx(30)


def test_a_trace_is_replayed(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text("# gaps\n0.5\n\n0\n 1e-3 # soon\r\n2\n")
    schedule = replayed(trace)
    assert schedule.intended_ns.tolist() == [500_000_000, 500_000_000, 501_000_000, 2_501_000_000]
    assert schedule.duration_s == pytest.approx(2.501)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"0.1\nsoon\n", ":2: 'soon' is no time"),
        (b"0.1\n# x\n-1\n", ":3: '-1' is no time"),
        (b"nan\n", ":1: 'nan' is no time"),
        (b"inf\n", ":1: 'inf' is no time"),
        (b"0.1 0.2\n", ":1: '0.1 0.2' is no time"),
        (b"0.1\n0.2\n\xff\n", ":3: not UTF-8"),
        (b"1e9\n", ":1: the trace runs longer"),
        (b"# nothing\n", ": 0 requests in no time"),
        (b"0\n0\n", ": 2 requests in no time"),
        (b"1e-300\n", ": 1 requests in no time"),
        (b"1_0\n", ":1: '1_0' is no time"),
        ("\u0663\n".encode(), ":1: '\u0663' is no time"),
        (b"0.1\n" + b"0" * 1001 + b"\n", ":2: longer than 1000 bytes"),
        (b"0.1\r\n\0\n", ":2: '\\x00' is no time"),
    ],
)
def test_a_bad_trace_is_named_with_its_line(tmp_path: Path, content: bytes, says: str) -> None:
    trace = tmp_path / "trace"
    trace.write_bytes(content)
    with pytest.raises(TraceError) as caught:
        replayed(trace)
    assert str(caught.value).startswith(str(trace) + says)
    assert "\n" not in str(caught.value)


def test_a_file_without_an_end_is_no_trace() -> None:
    with pytest.raises(TraceError, match="/dev/zero:1: longer than 1000 bytes"):
        replayed(Path("/dev/zero"))


def test_a_trace_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"absent: cannot be read: No such file"):
        replayed(tmp_path / "absent")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: constant(0, 1), "rate 0: give"),
        (lambda: constant(float("nan"), 1), "rate nan: give"),
        (lambda: constant(10, -1), "duration -1: give"),
        (lambda: constant(1, 0.1), "that is no request"),
        (lambda: constant(1e9, 1), "at most 10000000"),
        (lambda: constant(1, 1e6), "give at most"),
        (lambda: poisson(10, 1, -1), "seed -1: give"),
        (lambda: poisson_of(-1, 10, 0), "rate -1: give"),
        (lambda: poisson_of(10, 0, 0), "0 arrivals: give"),
        (lambda: poisson_of(10, 10, -1), "seed -1: give"),
        (lambda: poisson_of(1e-6, 10, 0), "at most 604800 s"),
        (lambda: burst(0, 1, 1), "burst of 0: give"),
        (lambda: burst(1, 0, 1), "period 0: give"),
        (lambda: burst(1, 1, 0), "duration 0: give"),
    ],
)
def test_bad_arguments_get_one_clear_line(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
