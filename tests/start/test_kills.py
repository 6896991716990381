"""Kills at any moment of start, dump, restore and refill: nothing stays, and the next start works.

`AETHERLESS_KILLS` sets how many of each; the seed of the moments is printed when the test fails.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start import names, strategy
from aetherless_py.start.criu import Criu
from aetherless_py.start.pool import WarmPool
from tests.start.support import descriptors, function, prepared, snapshots
from tests.ways.support import leaves_nothing

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("AETHERLESS_KILLS", "60"))
SEED = int(os.environ.get("AETHERLESS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No process, wherever it hangs now, and no socket, folder or mount."""
    with leaves_nothing(monkeypatch):
        yield


def _kill_somebody(moments: random.Random, survived: set[int], killed: list[int]) -> None:
    others = [one.pid for one in psutil.Process().children(recursive=True)]
    victims = [pid for pid in others if pid not in survived]
    if victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim := moments.choice(victims), signal.SIGKILL)
            killed.append(victim)


@pytest.mark.parametrize("name", names())
def test_kills_at_any_moment_of_start_use_and_end(name: str) -> None:
    print("seed", SEED)
    moments = random.Random(SEED)
    children = {one.pid for one in psutil.Process().children(recursive=True)}
    killed: list[int] = []
    before = descriptors()
    with prepared(name, function("odd:echo")) as made:
        for _ in range(KILLS):
            after_s = moments.choice([0.002, 0.03]) * moments.random()
            killer = threading.Timer(after_s, _kill_somebody, (moments, children, killed))
            killer.start()
            try:
                instance = made.start()
                instance.invoke(b"x" * 100_000)
                time.sleep(0.002 * moments.random())
                instance.stop(grace_s=0)
            except (errors.StartError, errors.InstanceGoneError):
                pass
            killer.join()
            # Whatever was killed: at most one start fails because of it.
            for attempt in range(2):
                try:
                    instance = made.start()
                    break
                except errors.StartError:
                    assert attempt == 0
            assert instance.invoke(b"next") == b"next"
            instance.stop(grace_s=0)
    assert killed
    left = [one for one in psutil.Process().children(recursive=True) if one.pid not in children]
    assert not left
    assert descriptors() == before


def test_kills_at_any_moment_of_preparing() -> None:
    """The function's process, CRIU and all that is around them, while the image is taken."""
    if why := Criu.missing():
        pytest.skip(f"criu: {why}")
    print("seed", SEED)
    moments = random.Random(SEED)
    killed: list[int] = []
    before, folders = descriptors(), snapshots()
    failed = 0
    for _ in range(KILLS // 2):
        killer = threading.Timer(0.7 * moments.random(), _kill_somebody, (moments, set(), killed))
        killer.start()
        with Criu() as made:
            try:
                made.prepare(function("odd:echo"))
            except errors.StartError:
                failed += 1
        killer.join()
        assert not psutil.Process().children(recursive=True)
        assert (descriptors(), snapshots()) == (before, folders)
    assert killed and failed
    with prepared("criu", function("odd:echo")) as whole:
        assert whole.start().invoke(b"next") == b"next"


@pytest.mark.parametrize("name", ["zygote", "criu"])
def test_kills_at_any_moment_of_a_pools_life(name: str) -> None:
    if why := strategy(name).missing():
        pytest.skip(f"{name}: {why}")
    print("seed", SEED)
    moments = random.Random(SEED)
    killed: list[int] = []
    before, folders = descriptors(), snapshots()
    with WarmPool(strategy(name), size=3, restore_timeout_ms=None) as pool:
        pool.prepare(function("odd:echo"))
        for _ in range(KILLS // 2):
            _kill_somebody(moments, set(), killed)
            for _ in range(20):  # a warm instance may be the one that was killed
                try:
                    instance = pool.start(timeout_s=60)
                    assert instance.invoke(b"x") == b"x"
                    instance.stop(grace_s=0)
                    break
                except (errors.StartError, errors.InstanceGoneError):
                    continue
            else:
                pytest.fail("no instance could be had any more")
            time.sleep(0.03 * moments.random())
    assert killed
    assert not psutil.Process().children(recursive=True)
    assert (descriptors(), snapshots()) == (before, folders)
