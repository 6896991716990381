"""Statistics, the schema and the table."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from rich.console import Console

from benchmarks.harness.metrics import LatencyMetrics
from tools import report
from tools.summary import Request, Summary, summarise
from tools.table import human_ns, markdown_table, results_table

DOCUMENT = report.build_document(
    "2025-12-27T12:34:56Z",
    {
        "os": "Linux", "os_version": "12", "kernel_version": "6", "cpu_model": "x",
        "cpu_cores": 2, "memory_bytes": 1, "hostname": "h",
    },
    [{
        "name": "ring_buffer_write_64", "category": "ring_buffer", "iterations": 10,
        "metrics": {
            "min_ns": 1, "max_ns": 2, "mean_ns": 1.5, "median_ns": 1500.0, "std_dev_ns": 0.1
        },
        "metadata": {
            "benchmark": "a.b", "commit": "c", "number": 1, "processes": None,
            "clock_cost_ns": None, "sampling": "block_means", "warnings": ["w"], "own": {},
        },
    }],
)  # fmt: skip


def test_the_schema_is_a_schema_and_takes_the_form() -> None:
    import orjson

    schema = orjson.loads(report.SCHEMA_PATH.read_bytes())
    Draft7Validator.check_schema(schema)
    Draft7Validator(schema).validate(DOCUMENT)
    report.validate(DOCUMENT)


@pytest.mark.parametrize(
    "path",
    [
        ("benchmark_suite",), ("version",), ("timestamp",), ("system_info",), ("results",),
        ("system_info", "hostname"), ("results", 0, "iterations"), ("results", 0, "metrics"),
        ("results", 0, "metrics", "median_ns"), ("results", 0, "metadata", "warnings"),
    ],
)  # fmt: skip
def test_a_missing_key_is_refused(path: tuple[Any, ...]) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    with pytest.raises(report.ReportError):
        report.encode("ring_buffer", document)


def test_timestamps() -> None:
    assert report.timestamp_of(1_766_839_696_000) == "2025-12-27T12:48:16Z"
    assert report.timestamp_of(1_766_839_696_007) == "2025-12-27T12:48:16.007Z"


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=300), max_size=4))
def test_summaries_are_the_definition(sets: list[list[int]]) -> None:
    answers = summarise([Request(samples, 1.0, True) for samples in sets])
    for samples, answer in zip(sets, answers, strict=True):
        assert isinstance(answer, Summary)
        ordered = sorted(samples)
        expected = {
            "min_ns": ordered[0], "max_ns": ordered[-1], "mean_ns": np.mean(samples),
            "median_ns": np.median(samples),
            "std_dev_ns": np.std(samples, ddof=1) if len(samples) > 1 else 0.0,
        }  # fmt: skip
        if len(samples) >= 200:
            expected["p95_ns"] = ordered[-(-95 * len(samples) // 100) - 1]
        assert answer.metrics == pytest.approx(expected, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 3, 199, 200, 201, 999, 1000, 1001])
@pytest.mark.parametrize("tails", [True, False])
def test_summaries_are_those_of_the_harness(count: int, tails: bool) -> None:
    samples = np.random.default_rng(count).integers(50, 10**6, count).tolist()
    (answer,) = summarise([Request(samples, 1.0, tails)])
    assert isinstance(answer, Summary)
    expected = LatencyMetrics.from_samples(samples, tails=tails).as_dict()
    assert answer.metrics == pytest.approx(expected, rel=1e-9)


def test_human_units() -> None:
    shown = [human_ns(n) for n in (None, 0, 83.4, 999.6, 1234.5, 45_678_000, 2.5e9)]
    assert shown == ["-", "0.00 ns", "83.4 ns", "1.00 us", "1.23 us", "45.7 ms", "2.50 s"]


def test_messages_a_second_are_those_of_the_median_everywhere() -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    call = document["results"][0]
    call["metadata"]["method"] = "tcp"
    stream = copy.deepcopy(call)
    # What the whole took, its slowest parts included, is another figure.
    stream["throughput"] = {"messages_per_sec": 9.0}
    document["results"] = [call, stream]
    lines = [line.split("|") for line in markdown_table([document]).splitlines()]
    at = [heading.strip() for heading in lines[0]].index("messages/s")
    assert [line[at].strip() for line in lines[2:]] == ["667 k", "667 k"]


def test_table() -> None:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(results_table([DOCUMENT]))
    text = console.export_text()
    assert "ring_buffer_write_64" in text and "1.50 us" in text
