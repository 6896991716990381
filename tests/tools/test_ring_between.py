"""The ring between two processes: as many samples as asked for, and a wrong echo is an error."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest

from aetherless_py.errors import PeerClosedError
from benchmarks.harness.processes import ChildFailedError, Task, available_cpus, run_pair
from tools.performance import ring_between


@pytest.fixture
def cpus() -> tuple[int, int]:
    available = available_cpus()
    return available[0], available[-1]


@pytest.mark.parametrize("way", ["copy", "zero_copy"])
@pytest.mark.parametrize("size", [64, 65536])
def test_round_trips(way: ring_between.Way, size: int, cpus: tuple[int, int]) -> None:
    before = set(os.listdir("/dev/shm"))
    samples = ring_between.roundtrips(way, size, 200, cpus)
    assert len(samples) == 200
    assert (samples > 0).all()
    assert set(os.listdir("/dev/shm")) <= before


def test_a_stream(cpus: tuple[int, int]) -> None:
    samples = ring_between.stream(1024, 40_000, cpus)
    assert len(samples) == ring_between.PARTS
    assert (samples > 0).all()


def _spoil(name: str, size_bytes: int, part: int) -> None:
    """A sender that leaves one message out."""
    from aetherless_py.shm import RingBuffer

    with (
        RingBuffer.attach(name) as ring,
        ring.producer() as producer,
        contextlib.suppress(PeerClosedError),  # who has missed it may be gone already
    ):
        for i in range(300):
            if i != 200:
                producer.write(ring_between._numbered(i % ring_between.BATCH, size_bytes))


def test_a_lost_message_is_an_error(cpus: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def with_spoiler(first: Task, second: Task, timeout_s: float) -> tuple[Any, Any]:
        return run_pair(Task(f"{__name__}:_spoil", first.arguments, first.cpu), second, timeout_s)

    monkeypatch.setattr(ring_between, "run_pair", with_spoiler)
    with pytest.raises(ChildFailedError, match="was not sent so"):
        ring_between.stream(64, 40_000, cpus)
