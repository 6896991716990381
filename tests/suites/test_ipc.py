"""The ipc suite: its rows, why one is missing, and some of them measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import ipc, package, suites
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection, selected
from benchmarks.harness.session import Turn
from benchmarks.harness.suite import measured_alone
from benchmarks.transports import sampling, transports
from benchmarks.transports.base import Client, Mode, Payload

NAMES = Path(__file__).with_name("result_names_ipc.txt").read_text().split()
FEW = Turn(seed=1, iterations=20)


def names(selection: Selection) -> list[str]:
    return [row.name for row in suites.rows(selection, ["ipc"])]


def test_names_of_results_stay() -> None:
    assert set(NAMES) <= set(names(Selection.STUDY))


@pytest.mark.parametrize("selection", Selection)
def test_every_row_stands_once_and_in_the_study(selection: Selection) -> None:
    found = names(selection)
    assert found and len(set(found)) == len(found)
    assert set(found) <= set(names(Selection.STUDY))


def test_asv_is_given_what_has_rows() -> None:
    for suite in suites.classes("ipc"):
        assert callable(suite.track_time) == (suite.axes(selected()) is not None)


def test_partners() -> None:
    def partners(method: str) -> list[str]:
        beside = ipc.RoundTrip().row(method, 64).beside
        return [f"{key} {trial.name}" for key, (trial, _) in beside.items()]

    floor = "floor ipc_floor_64"
    assert partners("floor") == []
    assert partners("shared_memory") == partners("json_codec") == [floor]
    ring, in_place = "ring ipc_shared_memory_64", "ring_zero_copy ipc_shared_memory_zero_copy_64"
    assert partners("tcp") == [floor, ring, in_place]
    [*_, bulk] = ipc.Bulk().row("tcp", 1 << 20).trials()
    assert bulk.name == "ipc_oneway_shared_memory_zero_copy_1048576"


def test_what_all_rounds_say_together() -> None:
    def one(messages: int, codec_ns: float) -> Samples:
        facts = {"client_cpu_ns": 100, "server_cpu_ns": 300, "cpu_messages": messages}
        return Samples(durations_ns=[640.0], facts={**facts, "json_codec_ns": codec_ns})

    told = ipc.OneWay().row("tcp", 64).told([one(2, 5.0), one(6, 7.0), one(2, 6.0)])
    assert told == {
        "client_cpu_ns_per_message": 30,
        "server_cpu_ns_per_message": 90,
        "json_codec_ns": 6.0,
        "ns_per_byte": 10.0,
    }
    assert "ns_per_byte" not in ipc.RoundTrip().row("tcp", 64).told([one(2, 5.0)])
    assert ipc.RoundTrip().row("floor", 64).told([Samples(durations_ns=[1.0])]) == {}


def test_what_is_missing_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(method: str, size_bytes: int = 64) -> str:
        return ipc.PairTrial(method, size_bytes, "echo").missing() or ""

    assert missing("tcp", 1 << 30) == missing("floor") == ""
    if not missing("posix_mq"):
        limit = transports()["posix_mq"].largest_bytes
        assert missing("posix_mq", 1 << 30) == f"posix_mq: carries {limit} bytes at most here"
    monkeypatch.setitem(sys.modules, "zmq", None)
    assert missing("zeromq").startswith("zeromq: zmq")
    with pytest.raises(NotImplementedError, match="zmq"):
        ipc.RoundTrip().setup("zeromq", 64)
    monkeypatch.setattr(ipc, "available_cpus", lambda: [3])
    assert "two processors" in missing("tcp")


def test_a_round_trip_by_itself() -> None:
    row = ipc.RoundTrip.row_of("shared_memory", 64)
    assert {trial.name for trial in row.trials()} == {"ipc_shared_memory_64", "ipc_floor_64"}
    result = measured_alone(row)
    assert (result.name, result.category) == ("ipc_shared_memory_64", "ipc")
    assert len(result.rounds) >= 8 and result.number == 1 and result.throughput is None
    metadata = result.as_standard()["metadata"]
    assert metadata["ratio_to_floor"] > 0 and len(metadata["ratio_to_floor_interval"]) == 2
    assert metadata["server_cpu_ns_per_message"] > 0 and metadata["wait"] == "adaptive"
    assert not {"ratio_to_ring", "json_codec_ns", "ns_per_byte"} & set(metadata)


def test_a_stream_by_itself() -> None:
    result = measured_alone(ipc.OneWay.row_of("shared_memory_zero_copy", 1024))
    assert result.name == "ipc_oneway_shared_memory_zero_copy_1024" and (result.number or 0) > 1
    assert result.throughput is not None and result.throughput["bytes_per_sec"] > 0
    metadata = result.as_standard()["metadata"]
    assert metadata["ratio_to_floor"] > 0 and metadata["ns_per_byte"] > 0


@pytest.mark.parametrize("method", ["http_json", "ring_pair", "ring_pair_zero_copy", "json_codec"])
def test_real_round_trips(method: str) -> None:
    taken = ipc.PairTrial(method, 1024, "echo").run(FEW)[""]
    assert len(taken.durations_ns) == 20 and min(taken.durations_ns) > 0
    if method != "json_codec":
        assert taken.facts["client_cpu_ns"] > 0 and taken.facts["cpu_messages"] >= 16
    assert ("json_codec_ns" in taken.facts) == (method == "http_json")


@pytest.mark.parametrize("mode", ["echo", "sink"])
@pytest.mark.parametrize("size_bytes", [64, 65536])
def test_the_floor(mode: Mode, size_bytes: int) -> None:
    for method, can in ipc.NATIVE:
        if can == mode:
            taken = ipc.PairTrial(method, size_bytes, mode).run(FEW)[""]
            assert len(taken.durations_ns) == (200 if method == "floor_copy" else 20)
            assert min(taken.durations_ns) > 0


@pytest.mark.parametrize("size_bytes", [64, 65536, 1 << 20])
def test_real_streams(size_bytes: int) -> None:
    taken = ipc.PairTrial("tcp", size_bytes, "sink").run(Turn(seed=1, iterations=2))[""]
    assert len(taken.durations_ns) == 2 and min(taken.durations_ns) > 0
    assert taken.number == sampling.STREAM_MESSAGES[size_bytes]


def test_a_stream_of_every_size_has_its_length() -> None:
    assert set(sampling.STREAM_MESSAGES) == {*ipc.STREAM_SIZES, *ipc.BULK_SIZES}


def test_a_wrong_echo_is_an_error() -> None:
    class Wrong(Client):
        def call(self, payload: Payload) -> Payload:
            return b"another"

        def close(self) -> None:
            pass

    with pytest.raises(RuntimeError, match="not what was sent"):
        sampling._warm_up(Wrong(), b"this one")


@pytest.mark.parametrize("wait", ["spin", "park"])
def test_waiting_in_vain(wait: Any) -> None:
    taken = sampling.idle(wait, 0.05)
    assert len(taken.durations_ns) == 1 and taken.durations_ns[0] > 0


def test_a_ring_that_cannot_wait_so() -> None:
    waits: Any = "in a way of later commits"
    with (
        package.ring().create(4096) as ring,
        pytest.raises(NotImplementedError, match="cannot wait so"),
    ):
        package.consumer(ring, waits)
