"""The floor program: it compiles, gives as many figures as asked for, and says what is wrong."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest

from benchmarks.harness import c_program, floor
from benchmarks.harness.processes import available_cpus

TIMEOUT_S = 60.0


@pytest.fixture
def cpus() -> tuple[int, int]:
    available = available_cpus()
    return available[0], available[-1]


@pytest.mark.parametrize(
    ("kind", "count", "samples"),
    [
        ("bounce", 500, 500),
        ("pingpong", 500, 500),
        ("oneway", 2000, 20),
        ("same", 2000, 200),
        ("copy", 2000, 200),
    ],
)
def test_each_kind_gives_its_samples(
    kind: floor.Kind, count: int, samples: int, cpus: tuple[int, int]
) -> None:
    taken = floor.native_samples(kind, 1000, count, cpus, TIMEOUT_S)
    assert len(taken.durations_ns) == samples
    assert min(taken.durations_ns) > 0
    assert taken.number == (1 if count == samples else count // samples)


def test_a_size_that_the_ring_cannot_hold_is_refused(cpus: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="SIZE must be"):
        floor.native_samples("pingpong", 1 << 30, 100, cpus, TIMEOUT_S)


def test_a_processor_that_is_not_there_is_an_error(cpus: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="pin"):
        floor.native_samples("bounce", 64, 100, (cpus[0], 1023), TIMEOUT_S)


def _bouncing() -> bool:
    """Whether a process of the test below is there."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes()
            if b"\0bounce\0" in line and b"\0002000000000\0" in line:
                return True
    return False


def test_the_watchdog_ends_both_processes(cpus: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="timed out"):
        floor.native_samples("bounce", 64, 2_000_000_000, cpus, 0.5)
    while _bouncing():  # a process that was killed is there for a moment; the watchdog ends this
        time.sleep(0.01)


def test_no_compiler_is_not_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    c_program.compiled.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(NotImplementedError, match="no C compiler"):
        floor.native_samples("same", 64, 100, (0, 0), TIMEOUT_S)
