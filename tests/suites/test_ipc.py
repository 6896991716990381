"""The ipc suite: one sitting with an order from a seed, and what is handed over of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import ipc
from benchmarks.harness import journal
from benchmarks.harness.processes import ChildFailedError, available_cpus
from benchmarks.harness.sampler import sample_set

CPU = {"client_cpu_ns": 100, "server_cpu_ns": 300, "cpu_messages": 4}


def _fake(value_of: dict[str, float], seen: list[tuple[str, list[int]]]) -> ipc.Measure:
    def measure(method: str, sizes: list[int], count: int, cpus: tuple[int, int]) -> dict[str, Any]:
        seen.append((method, sizes))
        if method == "pipe":
            raise ChildFailedError("it broke")
        one = sample_set([value_of[method]] * count, 1, "per_operation", 1.0)
        return {str(size): {**one, **CPU} for size in sizes}

    return measure


VALUES = {"shared_memory": 100.0, "tcp": 5000.0, "floor": 50.0, "posix_mq": 1.0}
METHODS = ["shared_memory", "tcp", "pipe", "floor", "posix_mq"]


def test_a_sitting_is_interleaved_in_an_order_that_its_seed_gives() -> None:
    runs = []
    for _ in range(2):
        seen: list[tuple[str, list[int]]] = []
        measured = ipc._sit(_fake(VALUES, seen), METHODS, [64, 1 << 20], 3, 6, False)
        runs.append(seen)
    assert runs[0] == runs[1]
    rounds = [[method for method, _ in seen if method != "pipe"][i : i + 4] for i in (0, 4, 8)]
    assert all(sorted(one) == sorted(set(METHODS) - {"pipe"}) for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert {tuple(sizes) for method, sizes in seen if method == "tcp"} > {(64, 1 << 20)}
    assert [len(sets) for sets in measured["tcp"]["sizes"].values()] == [6, 6]
    assert set(measured["posix_mq"]["sizes"]) == {"64"}, "what it cannot carry is left out"


def test_one_way_that_fails_costs_the_others_nothing() -> None:
    seen: list[tuple[str, list[int]]] = []
    measured = ipc._sit(_fake(VALUES, seen), METHODS, [64], 3, 6, False)
    assert "it broke" in measured["pipe"]["failed"]
    assert [method for method, _ in seen].count("pipe") == 1
    suite = ipc.RoundTrip()
    with pytest.raises(RuntimeError, match="pipe: it broke"):
        suite.setup({"roundtrip": measured}, "pipe", 64)
    suite.setup({"roundtrip": measured}, "tcp", 64)
    with pytest.raises(NotImplementedError, match="not measured at 256"):
        suite.setup({"roundtrip": measured}, "tcp", 256)


def test_what_is_missing_is_not_measured_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zmq", None)
    measured = ipc._sit(_fake(VALUES, []), ["zeromq", "http_json"], [64], 3, 6, True)
    assert "zmq" in measured["zeromq"]["missing"]
    assert "no stream" in measured["http_json"]["missing"]
    with pytest.raises(NotImplementedError, match="zmq"):
        ipc.OneWay().setup({"oneway": measured}, "zeromq", 64)


def test_one_processor_is_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipc, "available_cpus", lambda: [3])
    measured = ipc._sit(_fake(VALUES, []), METHODS, [64], 3, 6, False)
    assert all("two processors" in state["missing"] for state in measured.values())


def test_what_is_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    measured = ipc._sit(_fake(VALUES, []), METHODS, [64], 3, 6, False)
    cache = {"roundtrip": measured, "state": {"steal_seconds": 0.0}}
    tracked = ipc.RoundTrip().track_roundtrip(cache, "tcp", 64)
    assert tracked["number"] == 1
    assert np.allclose(tracked["samples"], [5e-6] * 18)
    [(_, _, record)] = journal.read(tmp_path)
    assert isinstance(record, dict)
    assert (record["processes"], record["samples_per_process"]) == (6, 3)
    metadata = record["metadata"]
    assert metadata["ratio_to_floor"] == 100 and metadata["ratio_to_floor_interval"] == [100, 100]
    assert metadata["ratio_to_ring"] == 50
    assert metadata["client_cpu_ns_per_message"] == 25
    assert metadata["server_cpu_ns_per_message"] == 75
    assert metadata["wait"] == "blocking"


@pytest.mark.parametrize("method", ["shared_memory", "http_json", "floor", "json_codec"])
def test_real_round_trips(method: str) -> None:
    cpus = (available_cpus()[0], available_cpus()[-1])
    found = ipc._roundtrips(method, [64, 1024], 20, cpus)
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
