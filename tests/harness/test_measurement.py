"""Samples of several processes become one measurement, with its doubts."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.measurement import measure, warnings_of
from benchmarks.harness.processes import Task
from tests.harness.journals import records_in

TIMEOUT_S = 60.0


def _task(values: list[float]) -> Task:
    return Task("tests.harness.children:samples", {"values": values}, None)


def test_blocks_stay_in_order_and_are_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    tasks = [_task([100.0, 101.0]), _task([102.0, 100.0]), _task([101.0, 103.0])]
    before_ms = time.time_ns() // 1_000_000
    answer = measure("a.B.track_c", [64], tasks, TIMEOUT_S)
    assert answer["number"] == 1
    assert np.array(answer["samples"]) * 1e9 == pytest.approx([100, 101, 102, 100, 101, 103])
    [record] = records_in(tmp_path)
    assert isinstance(record, dict)
    assert record["parameters"] == ["64"]
    assert (record["processes"], record["samples_per_process"]) == (3, 2)
    assert record["system_info"]["cpu_cores"] >= 1
    assert not [words for words in record["warnings"] if "hypervisor" not in words]
    assert before_ms <= record["environment"]["began_at_ms"] <= record["recorded_at_ms"]


@pytest.mark.parametrize("blocks", [[[], []], [[1.0], [1.0, 2.0]]])
def test_unequal_or_empty_blocks_are_an_error(
    blocks: list[list[float]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AETHERLESS_JOURNAL_DIR", str(tmp_path))
    with pytest.raises(ValueError):
        measure("a.B.track_c", [], [_task(block) for block in blocks], TIMEOUT_S)
    assert records_in(tmp_path) == []


@pytest.mark.parametrize(
    ("medians", "sampling", "stolen_s", "words"),
    [
        ([100.0, 100.0, 100.0], "per_operation", 0.0, None),
        ([100.0, 120.0, 100.0], "per_operation", 0.0, "medians of processes differ by 20%"),
        ([100.0, 100.0], "per_operation", 0.0, "few processes"),
        ([100.0, 105.0, 109.0, 109.0], "per_operation", 0.0, None),
        ([100.0, 100.0, 100.0, 500.0], "per_operation", 0.0, "medians of processes"),
        ([19.0, 19.0, 19.0], "per_operation", 0.0, "near the clock's cost"),
        ([19.0, 19.0, 19.0], "blocks", 0.0, None),
        ([100.0, 100.0, 100.0], "per_operation", 0.5, "hypervisor"),
        ([0.0, 0.0, 7.0], "per_operation", 0.0, "shorter than the clock can tell"),
        ([7.0, 0.0, 0.0, 7.0, 7.0], "blocks", 0.0, "medians of processes differ by 100%"),
    ],
)
def test_doubts(medians: list[float], sampling: str, stolen_s: float, words: str | None) -> None:
    found = warnings_of([np.full(10, median) for median in medians], sampling, 1.0, stolen_s)
    assert any(words in line for line in found) if words else not found
    assert not any("inf%" in line for line in found)


def test_one_wild_sample_is_no_wide_spread_but_a_wide_middle_is() -> None:
    block = np.full(100, 100.0)
    block[0] = 50_000.0
    assert not warnings_of([block] * 3, "per_operation", 1.0, 0.0)
    uniform = np.linspace(80.0, 120.0, 100)
    found = warnings_of([uniform] * 3, "per_operation", 1.0, 0.0)
    assert found == ["wide spread: the middle half spans 20% of the median"]
