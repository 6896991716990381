"""Packages: real runs, and how the page cache is proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.experiments import package
from benchmarks.experiments.package import Packages
from benchmarks.harness import page_cache
from tests.experiments.support import SEED, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("strategy", package.STRATEGIES)
@pytest.mark.parametrize("cache", package.CACHES)
def test_a_package(strategy: str, cache: str) -> None:
    found = run(Packages(start_mode=strategy, cache=cache), 1)
    assert set(found) == {f"mb{size}" for size in package.SIZES_MB}
    for one in found.values():
        # The one before those that count is not counted.
        assert one.facts["starts"] == {strategy: 1}
        assert one.facts["more"]["phases"]["ready_ns"] <= one.durations_ns[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    if not page_cache.is_behind(tmp_path):
        pytest.skip(f"{tmp_path} lies in memory")
    if (lacks := page_cache.missing()) is not None:
        pytest.skip(lacks)
    return Path(package._written(tmp_path, 3, SEED))


def test_the_page_cache_is_as_it_is_to_be(file: Path) -> None:
    assert file.stat().st_size == 3 << 20
    package.settle(str(file), "dropped")
    assert page_cache.cached_bytes(file) == 0
    package.settle(str(file), "hot")
    assert page_cache.cached_bytes(file) == 3 << 20


def test_a_page_cache_that_is_not_dropped_is_an_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.read_bytes()
    monkeypatch.setattr(page_cache, "drop", lambda: None)
    with pytest.raises(RuntimeError, match="of the package's 3145728 bytes are in the page cache"):
        package.settle(str(file), "dropped")


def test_who_reads_the_package_is_proven(file: Path) -> None:
    page_cache.drop()
    package._prove_read(file, by_instances=False)
    with pytest.raises(RuntimeError, match="0 bytes of the package"):
        package._prove_read(file, by_instances=True)
    file.read_bytes()
    package._prove_read(file, by_instances=True)
    with pytest.raises(RuntimeError, match="after a start"):
        package._prove_read(file, by_instances=False)


def test_a_package_that_only_memory_could_hold_cannot_be_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(package, "_FOLDERS", ("/dev/shm",))
    assert Packages(start_mode="spawn", cache="hot").missing() is None
    assert "lie in memory: set TMPDIR" in (
        Packages(start_mode="spawn", cache="dropped").missing() or ""
    )
