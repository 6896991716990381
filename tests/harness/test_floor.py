"""The floor program: it compiles, gives as many figures as asked for, and says what is wrong."""

from __future__ import annotations

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
        ("same", 2000, 20),
        ("copy", 2000, 20),
    ],
)
def test_each_kind_gives_its_samples(
    kind: floor.Kind, count: int, samples: int, cpus: tuple[int, int]
) -> None:
    taken = floor.floor_samples(kind, 1000, count, cpus, TIMEOUT_S)
    assert len(taken) == samples
    assert (taken > 0).all()


def test_a_size_that_the_ring_cannot_hold_is_refused(cpus: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="SIZE must be"):
        floor.floor_samples("pingpong", 1 << 30, 100, cpus, TIMEOUT_S)


def test_a_processor_that_is_not_there_is_an_error(cpus: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="pin"):
        floor.floor_samples("bounce", 64, 100, (cpus[0], 1023), TIMEOUT_S)


def test_the_watchdog_ends_both_processes(cpus: tuple[int, int]) -> None:
    with pytest.raises(RuntimeError, match="timed out"):
        floor.floor_samples("bounce", 64, 2_000_000_000, cpus, 0.5)
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [line for line in running if b"\0bounce\0" in line and b"2000000000" in line]


def test_no_compiler_is_not_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    c_program.compiled.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(NotImplementedError, match="no C compiler"):
        floor.floor_samples("same", 64, 100, (0, 0), TIMEOUT_S)
