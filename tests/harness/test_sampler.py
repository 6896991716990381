"""The sampler against a clock whose every reading is known."""

from __future__ import annotations

import gc

import pytest

from benchmarks.harness import clock, sampler
from benchmarks.harness.samples import Samples


class FakeClock:
    """Time passes only where the test says so: in operations, not in readings."""

    def __init__(self) -> None:
        self.now = 0
        self.readings = 0
        self.calls = 0

    def read(self) -> int:
        self.readings += 1
        return self.now

    def operation(self) -> None:
        self.calls += 1
        self.now += self.calls

    def wait(self) -> None:
        self.now += 1_000


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    monkeypatch.setattr(sampler, "now_ns", fake.read)
    return fake


def test_each_sample_is_one_operation(fake: FakeClock) -> None:
    samples = sampler.sample_each(fake.operation, 5, 3)
    assert samples == [4, 5, 6, 7, 8]
    assert fake.readings == 2 * (3 + 5)


def test_a_block_is_the_mean_of_its_operations(fake: FakeClock) -> None:
    def four() -> None:
        for _ in range(4):
            fake.operation()

    samples = sampler.sample_each(four, 2, 1, number=4)
    assert samples == [6.5, 10.5]
    assert fake.calls == 12
    assert sampler.sample_each("one()", 1, 0, 4, loops=4, names={"one": fake.operation}) == [14.5]
    assert fake.calls == 16


def test_what_goes_before_is_not_timed(fake: FakeClock) -> None:
    samples = sampler.sample_each(fake.operation, 3, 0, before=fake.wait)
    assert samples == [1, 2, 3]
    assert fake.now == 6 + 3 * 1_000


@pytest.mark.parametrize(("took_ns", "taken"), [(40_000, 1250), (100_000, 500), (10**9, 130)])
def test_without_a_count_it_samples_for_its_time(fake: FakeClock, took_ns: int, taken: int) -> None:
    def operation() -> None:
        fake.calls += 1
        fake.now += took_ns + fake.calls

    samples = sampler.sample_each(operation, None, 0)
    assert fake.calls == pytest.approx(taken, abs=50)
    assert fake.now >= sampler.SAMPLING_NS
    # Evenly spread, and no more than anybody has use for.
    apart = -(-fake.calls // sampler.MOST)
    assert samples == [took_ns + 1 + at for at in range(0, fake.calls, apart)]
    assert len(samples) <= sampler.MOST


@pytest.mark.parametrize("count", [0, -1])
def test_an_empty_sample_set_is_an_error(count: int) -> None:
    with pytest.raises(ValueError):
        Samples(durations_ns=sampler.sample_each(lambda: None, count, 0))


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_while_sampling_and_restored(enabled: bool) -> None:
    seen = []

    def operation() -> None:
        seen.append(gc.isenabled())
        if len(seen) == 3:
            raise RuntimeError("in the middle")

    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(RuntimeError, match="in the middle"):
            sampler.sample_each(operation, 5, 0)
        assert seen == [False] * 3
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_the_clock_costs_the_median_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([0, 10, 100, 130, 200, 220])
    monkeypatch.setattr(clock, "now_ns", lambda: next(readings))
    monkeypatch.setattr(clock, "PAIRS", 3)
    assert clock.clock_cost_ns() == 20.0
