"""The page cache: what is in it of a file, dropping it, and where it can be dropped from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.harness import page_cache

SIZE = 5 * (1 << 20) + 7  # the last page is not full
CACHED = 5 * (1 << 20) + 4096


def _written(folder: Path) -> Path:
    if not page_cache.is_behind(folder):
        pytest.skip(f"{folder} lies in memory")
    path = folder / "file"
    with path.open("wb") as file:
        file.write(os.urandom(SIZE))
        file.flush()
        os.fsync(file.fileno())
    return path


def test_what_is_read_is_there_and_what_is_dropped_is_not(tmp_path: Path) -> None:
    if (lacks := page_cache.missing()) is not None:
        pytest.skip(lacks)
    path = _written(tmp_path)
    path.read_bytes()
    assert page_cache.cached_bytes(path) == CACHED
    page_cache.drop()
    assert page_cache.cached_bytes(path) == 0
    assert page_cache.cached_bytes(path) == 0  # looking does not read
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)  # no more than is asked for
        file.read(1)
    assert 0 < page_cache.cached_bytes(path) < CACHED


def test_an_empty_file_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert page_cache.cached_bytes(tmp_path / "empty") == 0
    with pytest.raises(FileNotFoundError):
        page_cache.cached_bytes(tmp_path / "absent")


def test_memory_is_not_behind_the_page_cache() -> None:
    assert not page_cache.is_behind(Path("/dev/shm"))
    assert not page_cache.is_behind(Path("/dev/shm/not/there"))


def test_without_the_right_to_drop_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "DROP", Path("/nowhere/drop_caches"))
    assert "needs root" in (page_cache.missing() or "")
