"""A result: its figures, its standard form, and with whom it is not merged."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from benchmarks.harness.result import MergeError, Result, document
from benchmarks.harness.samples import Samples
from tests.harness.made_up import MACHINE, result, run


def test_it_knows_its_figures() -> None:
    made = result()
    assert made.medians_ns == [100.5, 102.5]
    assert made.metrics.median_ns == 101.5
    assert made.metrics.p99_ns is None
    assert made.throughput is None
    stream = result(rounds=[Samples(durations_ns=[10.0, 30.0], number=100)], message_bytes=64)
    assert stream.throughput == {
        "messages_per_sec": pytest.approx(50e6),
        "bytes_per_sec": pytest.approx(64 * 50e6),
        "total_messages": 200,
        "total_bytes": 64 * 200,
        "duration_ns": pytest.approx(4000.0),
    }
    assert stream.as_standard()["throughput"] == stream.throughput
    in_no_time = result(rounds=[Samples(durations_ns=[0.0], number=100)], message_bytes=64)
    assert in_no_time.throughput is None


def test_its_standard_form() -> None:
    made = result(facts={"ratio_to_ring": 3.0}, run=run(selection="quick", rounds=8))
    told = made.as_standard()
    metadata = told["metadata"]
    assert told["name"] == "ipc_pipe_64"
    assert told["iterations"] == 4
    assert (metadata["method"], metadata["payload_size_bytes"]) == ("pipe", 64)
    assert metadata["ratio_to_ring"] == 3.0
    assert (metadata["selection"], metadata["processes"]) == ("quick", 2)
    assert (metadata["samples"], metadata["samples_per_process"]) == (4, 2)
    assert metadata["round_medians_ns"] == [100.5, 102.5]
    assert metadata["warnings"] == ["few rounds: 2"]
    json.dumps(told, allow_nan=False)


def test_it_comes_back_from_the_log() -> None:
    made = result(invalid="late", run=run(seed=3, warnings=("dirty",)))
    again = Result.of(json.loads(json.dumps(asdict(made))))
    assert again.as_standard() == made.as_standard()
    assert again.run.machine == MACHINE


def test_rounds_sampled_in_different_ways_are_no_result() -> None:
    rounds = [Samples(durations_ns=[1.0]), Samples(durations_ns=[1.0], number=2)]
    with pytest.raises(ValueError, match="sampled in different ways"):
        result(rounds=rounds)


def test_joining_puts_the_rounds_together() -> None:
    first, second = ({"wait": "spin", "ratio_to_ring": ratio} for ratio in (2.0, 3.0))
    joined = result(facts=first).joined(result(facts=second))
    assert joined.facts == {"wait": "spin"}  # a ratio is one of the rounds that it was taken of
    assert len(joined.rounds) == 4
    assert joined.processes == 4


OTHER_MACHINE = replace(MACHINE, hostname="there")


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"run": run(machine=OTHER_MACHINE)}, "machine"),
        ({"run": run(commit="d" * 40)}, "commit"),
        ({"run": run(selection="quick")}, "selection"),
        ({"name": "ipc_tcp_64"}, "name"),
        ({"rounds": [Samples(durations_ns=[1.0], number=7)]}, "number"),
    ],
)
def test_what_does_not_belong_together_is_not_joined(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(MergeError, match=f"different {what}"):
        result().joined(result(**changes))


def test_a_document_is_of_one_run_on_one_machine() -> None:
    made = document([result(), result("ipc_tcp_64")])
    assert made["benchmark_suite"] == "aetherless-benchmarks"
    assert made["timestamp"] == "2025-12-27T12:34:56Z"
    assert [each["name"] for each in made["results"]] == ["ipc_pipe_64", "ipc_tcp_64"]
    assert made["run"]["interrupted"] is False
    for other in (
        result("x", run=run(machine=OTHER_MACHINE)), result("x", run=run(id="r2")), result()
    ):  # fmt: skip
        with pytest.raises(MergeError):
            document([result(), other])
    with pytest.raises(ValueError, match="no results"):
        document([])


def test_what_most_results_warn_of_stands_once() -> None:
    made = document([result(name) for name in "abcd"])
    assert made["warnings"] == ["most results: there are fewer than 3 rounds"]
    assert all(not each["metadata"]["warnings"] for each in made["results"])
