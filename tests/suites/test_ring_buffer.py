"""The ring's suite: every operation is measured, and a wrong ring is never timed."""

from __future__ import annotations

import pytest

from benchmarks import ring_buffer, ring_operations
from benchmarks.harness.processes import available_cpus, run_fresh
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Session
from benchmarks.harness.suite import measured_alone
from benchmarks.ring_buffer import Interpreter, Latency

OPERATIONS = [
    "write",
    "read",
    "roundtrip",
    "roundtrip_zero_copy",
    "roundtrip_unchecked",
    "checksum",
    "many",
]


def test_names_are_those_of_earlier_results() -> None:
    names = [row.name for row in Latency.rows(Selection.STUDY)]
    assert len(names) == len(set(names))
    assert set(names) >= {
        f"ring_buffer_{operation}_{size}"
        for operation in OPERATIONS
        for size in (64, 256, 1024, 4096, 16384, 65536)
    }
    assert {row.name for row in Latency.rows(Selection.QUICK)} < set(names)


def test_every_operation_gives_samples() -> None:
    rows = [Latency.row_of(operation, 4096) for operation in (*OPERATIONS, ring_buffer.NATIVE)]
    session = Session([trial for row in rows for trial in row.trials()], rounds=1, iterations=5)
    session.run()
    for row in rows:
        measured = session.measured[row.trial.name]
        assert measured.failed is None and measured.missing is None
        found = measured.of(row.part)[0].samples
        assert found.sampling == "block_means"
        assert min(found.durations_ns) > 0


def test_large_messages_are_timed_one_by_one() -> None:
    row = Latency.row_of("read", 16384)
    session = Session([row.trial], rounds=1, iterations=5)
    session.run()
    [found] = session.measured[row.trial.name].takes
    assert found.samples.sampling == "per_operation"
    assert found.samples.clock_cost_ns


def test_a_row_by_itself_is_measured_with_its_native_baseline() -> None:
    found = measured_alone(Latency.row_of("roundtrip", 64))
    assert len(found.rounds) == found.processes == 8
    assert found.facts["ratio_to_floor"] > 1


def test_what_the_interpreter_costs_is_measured_without_the_package() -> None:
    found = measured_alone(Interpreter.row_of("deque"))
    assert found.name == "ring_buffer_deque"
    assert found.rounds[0].number > 1


def test_a_batch_has_a_rate() -> None:
    found = measured_alone(Latency.row_of("many", 65536))
    assert found.throughput is not None
    assert found.throughput["total_messages"] == found.as_standard()["iterations"]
    assert found.rounds[0].number > 1


def test_a_ring_that_gives_back_something_else_is_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import zlib

    monkeypatch.setattr(zlib, "crc32", lambda data: 7)
    with pytest.raises(RuntimeError, match="nothing is timed"):
        ring_operations.sample("roundtrip", 64, 1)


def test_processes_are_pinned_to_the_last_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int | None] = []

    def noted(target, arguments, timeout_s, cpu):  # type: ignore[no-untyped-def]
        asked.append(cpu)
        return run_fresh(target, arguments, timeout_s, cpu)

    monkeypatch.setattr(ring_buffer, "run_fresh", noted)
    session = Session([Latency.row_of("write", 64).trial], rounds=2, iterations=1)
    session.run()
    assert asked == [available_cpus()[-1]] * 2
