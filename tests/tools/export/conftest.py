"""A store in the form in which asv writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.export.stores import MANY, SIZES, WRITE
from tests.tools.make_store import benchmark, write_store


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Benchmarks of several kinds; nothing of them is measured yet."""
    sizes = {"payload_size_bytes": SIZES}
    return write_store(
        tmp_path / "store",
        [
            benchmark(WRITE, sizes, pretty_name="ring_buffer_write"),
            benchmark(MANY, sizes, pretty_name="ring_buffer_many"),
            benchmark(
                "ring_buffer.Write.time_operation", sizes, "time",
                pretty_name="ring_buffer_write", processes=2,
            ),
            benchmark("ring_buffer.track_plain", unit="ns"),
            benchmark("ring_buffer.peakmem_all", kind="peakmemory", unit="bytes"),
            benchmark("ipc.Pair.track_roundtrip", pretty_name="ipc_roundtrip"),
            benchmark("other.track_x", unit="ms"),
        ],
    )  # fmt: skip
