"""The warm pool: what it hands over, what it refuses, and what becomes of the rest."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start.base import Function
from aetherless_py.start.instance import Instance
from aetherless_py.start.pool import WarmPool
from aetherless_py.start.spawn import Spawn
from aetherless_py.start.zygote import Zygote
from tests.start.support import descriptors, function, gone

WAIT_S = 60.0


@contextmanager
def pool(of: Function | None = None, **settings: object) -> Iterator[WarmPool]:
    """A full pool over a zygote whose refills have all the time they want."""
    settings = {"size": 3, "restore_timeout_ms": None, **settings}
    with WarmPool(Zygote(), **settings) as made:  # type: ignore[arg-type]
        made.prepare(of or function("odd:do"))
        made.settle(WAIT_S)
        yield made


def test_it_hands_over_what_was_there_before_and_refills() -> None:
    with pool(function("odd:tell")) as warm:
        ids = set()
        for _ in range(10):
            before_ns = time.monotonic_ns()
            instance = warm.start()
            phases = instance.phases
            ids.add(json.loads(instance.invoke(b""))["id"])
            assert phases.ready_ns is not None and phases.first_response_ns is not None
            assert before_ns <= phases.asked_ns <= phases.ready_ns <= phases.first_response_ns
            assert instance.mode == "warm_pool"
            instance.stop()
            warm.settle(WAIT_S)
        assert len(ids) == 10
        assert warm.counts.handed_over == 10
        assert warm.ready == 3


def test_who_asks_an_empty_pool_waits_for_the_refill() -> None:
    with pool(size=1) as warm:
        instances = [warm.start() for _ in range(8)]
        assert len({each.id for each in instances}) == 8


def test_an_instance_that_misses_the_restore_deadline_is_killed_and_counted() -> None:
    # A fresh interpreter never takes less than a millisecond.
    with WarmPool(Spawn(), size=1, restore_timeout_ms=0.5) as warm:
        warm.prepare(function("odd:do"))
        with pytest.raises(
            errors.StartError, match=r"5 refills in a row failed.*not ready in time"
        ):
            warm.start()
        assert warm.counts.missed_deadline >= 5
        assert warm.counts.handed_over == warm.ready == 0
    assert not psutil.Process().children()


def test_an_instance_that_nobody_asks_for_is_stopped_at_its_time_to_live() -> None:
    with pool(ttl_s=0.2) as warm:
        until = time.monotonic() + WAIT_S
        while warm.counts.expired < 4 and time.monotonic() < until:
            time.sleep(0.01)
        assert warm.counts.expired >= 4
        warm.settle(WAIT_S)
        assert warm.start().invoke(b"print 0") == b"printed"


def test_an_instance_past_its_time_to_live_is_not_handed_over_while_a_refill_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, go_on = threading.Event(), threading.Event()
    with pool(size=2, ttl_s=600.0) as warm:
        start = warm._source.start

        def takes_long(timeout_s: float | None = None) -> Instance:
            began.set()
            assert go_on.wait(WAIT_S)
            return start(timeout_s)

        monkeypatch.setattr(warm._source, "start", takes_long)
        warm.start()
        assert began.wait(WAIT_S)
        [(old, _)] = warm._ready
        warm._ready[0] = (old, time.monotonic())  # its time is over
        threading.Timer(0.1, go_on.set).start()
        assert warm.start().id != old.id
        assert gone(old.pid)
        assert warm.counts.expired == 1


def test_an_instance_that_died_in_the_pool_is_not_handed_over() -> None:
    with pool() as warm:
        for instance, _ in list(warm._ready):
            os.kill(instance.pid, signal.SIGKILL)
            assert gone(instance.pid)
        assert warm.start().invoke(b"print 0") == b"printed"
        assert warm.counts.ended == 3


def test_it_lives_through_the_death_of_its_template() -> None:
    with pool() as warm:
        source = warm._source
        assert isinstance(source, Zygote)
        pooled = [instance.pid for instance, _ in list(warm._ready)]
        os.kill(source._nursery.process.pid, signal.SIGKILL)
        assert all(gone(pid) for pid in pooled)
        assert warm.start(timeout_s=WAIT_S).invoke(b"print 0") == b"printed"


@pytest.mark.parametrize(
    "settings", [{"size": 65}, {"size": 0}, {"size": 5, "limit": 4}, {"size": -1}]
)
def test_more_than_it_may_hold_is_refused(settings: dict[str, int]) -> None:
    with pytest.raises(errors.PoolLimitError, match="it must hold 1 to"):
        WarmPool(Zygote(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{"ttl_s": 0}, {"restore_timeout_ms": -1}, {"ttl_s": "soon"}])
def test_times_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        WarmPool(Zygote(), **settings)  # type: ignore[arg-type]


def test_it_goes_on_after_whatever_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pool() as warm:
        start = warm._source.start
        failures = iter([OSError("too many open files"), ValueError("something else")])

        def fails_at_first(timeout_s: float | None = None) -> Instance:
            for failure in failures:
                raise failure
            return start(timeout_s)

        monkeypatch.setattr(warm._source, "start", fails_at_first)
        for _ in range(5):
            assert warm.start(timeout_s=WAIT_S).invoke(b"print 0") == b"printed"
        assert warm.counts.failed == 2


def test_a_function_that_cannot_be_made_ready_fails_at_once() -> None:
    with (
        WarmPool(Zygote()) as warm,
        pytest.raises(errors.StartError, match="cannot be imported"),
    ):
        warm.prepare(function("fails_to_import:f"))
    with pytest.raises(errors.StrategyClosedError):
        warm.start()


def test_nothing_stays_of_a_pool() -> None:
    before = descriptors()
    with pool() as warm:
        kept = warm.start()
        pids = [kept.pid, *(each.pid for each, _ in warm._ready)]
    assert all(gone(pid) for pid in pids)
    assert not kept.alive
    assert descriptors() == before
    assert not psutil.Process().children()
