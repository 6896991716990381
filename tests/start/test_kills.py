"""Kills at any moment: nothing is left over, and the next start works.

`AETHERLESS_KILLS` sets how many; the seed of the moments is printed when the test fails.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start import STRATEGIES
from tests.start.support import descriptors, function, prepared

KILLS = int(os.environ.get("AETHERLESS_KILLS", "40"))
SEED = int(os.environ.get("AETHERLESS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))


def _kill_somebody(moments: random.Random, survived: set[int], killed: list[int]) -> None:
    others = [one.pid for one in psutil.Process().children(recursive=True)]
    victims = [pid for pid in others if pid not in survived]
    if victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim := moments.choice(victims), signal.SIGKILL)
            killed.append(victim)


@pytest.mark.parametrize("name", STRATEGIES)
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
