"""The ipc suite: what its sitting consists of, and what is handed over of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ipc
from benchmarks.harness.processes import available_cpus
from benchmarks.harness.sampler import sample_set
from tests.harness.journals import records_in

CPU = {"client_cpu_ns": 100, "server_cpu_ns": 300, "cpu_messages": 4}
VALUES = {"shared_memory": 100.0, "shared_memory_zero_copy": 200.0, "tcp": 5000.0, "floor": 50.0}


def test_each_way_is_measured_at_the_sizes_that_it_can_carry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    methods = ["tcp", "posix_mq", "floor_bounce", "zeromq", "http_json"]
    calls = ipc._possible(methods, [64, 1 << 20], False)
    assert calls["tcp"] == calls["http_json"] == [64, 1 << 20]
    assert calls["posix_mq"] == calls["floor_bounce"] == [64]
    assert "zmq" in calls["zeromq"]
    assert "no stream" in ipc._possible(methods, [64], True)["http_json"]


def test_one_processor_is_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipc, "available_cpus", lambda: [3])
    assert "two processors" in ipc._possible(["tcp"], [64], False)["tcp"]


def test_what_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    measured = {
        method: {"parts": {"64": [{**sample_set([ns] * 3, 1, "per_operation", 1.0), **CPU}] * 6}}
        for method, ns in VALUES.items()
    }
    cache = {"roundtrip": measured, "state": {"steal_seconds": 0.0}}
    suite = ipc.RoundTrip()
    suite.setup(cache, "tcp", 64)
    with pytest.raises(NotImplementedError, match="not measured at 256"):
        suite.setup(cache, "tcp", 256)
    with pytest.raises(NotImplementedError, match=r"posix_mq: carries [0-9]+ bytes at most"):
        suite.setup(cache, "posix_mq", 1 << 30)
    tracked = suite.track_roundtrip(cache, "tcp", 64)
    assert tracked["number"] == 1
    assert np.allclose(tracked["samples"], [5e-6] * 18)
    [record] = records_in(tmp_path)
    assert (record["processes"], record["samples_per_process"]) == (6, 3)
    metadata = record["metadata"]
    assert metadata["ratio_to_floor"] == 100 and metadata["ratio_to_floor_interval"] == [100, 100]
    assert metadata["ratio_to_ring"] == 50
    assert metadata["ratio_to_ring_zero_copy_interval"] == [25, 25]
    assert metadata["client_cpu_ns_per_message"] == 25
    assert metadata["server_cpu_ns_per_message"] == 75
    assert metadata["wait"] == "blocking"


@pytest.mark.parametrize("method", ["shared_memory", "http_json", "floor", "json_codec"])
def test_real_round_trips(method: str) -> None:
    cpus = (available_cpus()[0], available_cpus()[-1])
    found = ipc.roundtrips(method, [64, 1024], 20, cpus)
    for one in found.values():
        assert len(one["samples_ns"]) == 20 and min(one["samples_ns"]) > 0
    if method in ("shared_memory", "http_json"):
        assert found["64"]["client_cpu_ns"] > 0 and found["64"]["cpu_messages"] >= 16


@pytest.mark.parametrize("method", ["shared_memory", "shared_memory_zero_copy", "tcp", "floor"])
def test_real_streams(method: str) -> None:
    cpus = (available_cpus()[0], available_cpus()[-1])
    found = ipc._streams(method, [64, 65536], 2, cpus)
    for one in found.values():
        assert one["sampling"] == "blocks" and min(one["samples_ns"]) > 0
