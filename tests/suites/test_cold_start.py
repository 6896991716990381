"""The cold-start suite: its rows, what one process measures of them, and what a result says."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cold_start import (
    OWN,
    Ballast,
    Burst,
    Dropped,
    Dump,
    FirstResponse,
    Imported,
    Ready,
    Starts,
)
from benchmarks.harness import page_cache
from benchmarks.harness.row import Row
from benchmarks.harness.run import OpenRun
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import ROUNDS, Measured, Session
from benchmarks.harness.suite import measured_alone
from benchmarks.starts import _sampling, way, ways
from benchmarks.starts.base import StartError
from benchmarks.suites import rows

NAMES = Path(__file__).with_name("result_names_cold_start.txt").read_text().split()
CRIU_MISSING = way("criu").missing()


def _rows(selection: Selection) -> dict[str, Row]:
    found = rows(selection, ["cold_start"])
    assert len({row.name for row in found}) == len(found)
    return {row.name: row for row in found}


def _measured(rounds: int, iterations: int, *found: Row) -> dict[str, Measured]:
    trials = [trial for row in found for trial in row.trials()]
    session = Session(trials, rounds=rounds, iterations=iterations)
    session.run()
    return session.measured


def test_names_are_those_of_earlier_results() -> None:
    study = set(_rows(Selection.STUDY))
    assert study >= set(NAMES)
    assert study >= set(_rows(Selection.QUICK)) | set(_rows(Selection.TRACKING))


def test_usual_circumstances_go_without_saying_in_a_name() -> None:
    assert Starts("zygote").name == "cold_start_zygote_http"
    every = Starts("criu", "web", 16, 256, "dropped")
    assert every.name == "cold_start_criu_web_burst16_ballast256_dropped"


def test_a_control_that_no_commit_can_change_is_tracked() -> None:
    tracking = _rows(Selection.TRACKING)
    assert 10 <= len(tracking) <= 18
    tracked = {row.trial.strategy for row in tracking.values() if isinstance(row.trial, Starts)}
    assert tracked == {*OWN, "interpreter"}


def test_no_ratio_is_given_where_nothing_is_to_be_compared() -> None:
    study = _rows(Selection.STUDY)
    for name, row in study.items():
        alone = re.search(r"spawn_|simulated|dropped|dump", name.replace("node_spawn", "node"))
        assert set(row.beside) == (set() if alone else {"spawn"}), name
        assert row.facts.get("simulated", False) == ("simulated" in name)
    [(beside, part)] = study["cold_start_last_ready_zygote_http_burst16"].beside.values()
    assert (beside.name, part) == ("cold_start_spawn_http_burst16", "last_ready")


@pytest.mark.parametrize("name", ways())
def test_what_one_process_measures(name: str) -> None:
    if why := way(name).missing():
        pytest.skip(f"{name}: {why}")
    found = _sampling.starts(name, "http", 2, 0, "hot", 4)
    assert set(found) == {*way(name).tells, "ready", "first_response", "last_ready"} | (
        {"dump"} if name == "criu" else set()
    )
    ready = found["ready"].durations_ns
    assert found["last_ready"].durations_ns == [max(ready[:2]), max(ready[2:])]
    first = found["first_response"].durations_ns
    assert all(0 < one < other for one, other in zip(ready, first, strict=True))
    facts = found["ready"].facts
    assert facts["prepare_ns"] > 0
    assert set(facts["phases"]) == {
        f"{kind}_ns" for kind in (*way(name).tells, "ready", "first_response")
    }
    assert ("snapshot_bytes" in facts) == (name == "criu")
    assert ("runtime" in facts) == ("container" in name)


def test_a_row_by_itself_is_measured_with_the_spawn_of_its_ratio() -> None:
    found = measured_alone(Ready.row_of("zygote", "bare"))
    assert len(found.rounds) == found.processes == ROUNDS
    assert 0 < found.facts["ratio_to_spawn"] < 1
    standard = found.as_standard()
    assert standard["name"] == "cold_start_zygote_bare"
    metadata = standard["metadata"]
    assert (metadata["strategy"], metadata["until"], metadata["burst"]) == ("zygote", "ready", 1)
    assert set(metadata["phases"]) == {"created_ns", "ready_ns", "first_response_ns"}
    assert metadata["prepare_ns"] > 0


def test_rows_of_one_case_are_measured_once() -> None:
    found = [
        Ready.row_of("interpreter", "bare"),
        FirstResponse.row_of("interpreter", "bare"),
        Imported.row_of("interpreter", "bare"),
    ]
    assert {row.trial.name for row in found} == {"cold_start_interpreter_bare"}
    measured = _measured(1, 2, *found)
    assert set(measured) == {"cold_start_interpreter_bare", "cold_start_spawn_bare"}
    ready, first, imported = (row.result(measured, OpenRun("x").ended()) for row in found)
    assert imported.medians_ns < ready.medians_ns < first.medians_ns
    assert "ratio_to_spawn" in imported.facts


def test_a_burst_has_one_last_ready() -> None:
    row = Burst.row_of("zygote", 4, "last_ready")
    result = row.result(_measured(1, 8, row), OpenRun("x").ended())
    assert result.name == "cold_start_last_ready_zygote_http_burst4"
    assert len(result.rounds[0].durations_ns) == 2


@pytest.mark.skipif(CRIU_MISSING is not None, reason=str(CRIU_MISSING))
def test_a_dump_is_one_sample_a_round() -> None:
    row = Dump.row_of("bare")
    result = row.result(_measured(2, 1, row), OpenRun("x").ended())
    assert result.name == "cold_start_dump_criu_bare"
    assert [len(each.durations_ns) for each in result.rounds] == [1, 1]
    assert result.facts["snapshot_bytes"] > 1 << 20


def test_what_node_has_not_is_missing_and_no_failure() -> None:
    if why := way("node_spawn").missing():
        pytest.skip(why)
    row = Ready.row_of("node_spawn", "numpy")
    with pytest.raises(NotImplementedError, match=r"Node\.js has nothing like numpy"):
        row.result(_measured(1, 1, row), OpenRun("x").ended())


def test_ballast_is_memory_that_the_instance_has() -> None:
    row = Ballast.row_of("interpreter", 64, "hot", "ready")
    assert row.name == "cold_start_interpreter_http_ballast64"
    sizes = {}
    for ballast_mb in (0, 64):
        with way("interpreter")() as made:
            made.prepare(_sampling.function_of("bare", ballast_mb))
            status = Path(f"/proc/{made.start().pid}/status").read_text()
        sizes[ballast_mb] = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) >> 10
    assert 60 <= sizes[64] - sizes[0] <= 68


def test_more_ballast_than_memory_is_not_tried() -> None:
    with pytest.raises(NotImplementedError, match="too much for this machine's memory"):
        _sampling.starts("spawn", "bare", 16, 1 << 20, "hot", 16)


@pytest.mark.parametrize("name", ["zygote", "interpreter"])
def test_an_instance_that_is_not_cold_is_an_error(name: str) -> None:
    with way(name)() as made:
        made.prepare(_sampling.function_of("bare", 0))
        instance = made.start()
        seen: set[int] = set()
        with pytest.raises(StartError, match="handed out twice"):  # nobody has asked it yet
            _sampling._prove_cold(made, instance, seen)
        instance.invoke(b"")
        _sampling._prove_cold(made, instance, seen)
        with pytest.raises(StartError, match="handed out twice"):
            _sampling._prove_cold(made, instance, seen)
        time.sleep(0.05)
        instance.phases["asked"] = time.monotonic_ns()
        with pytest.raises(StartError, match="older than the start"):
            _sampling._prove_cold(made, instance, set())


def test_a_wrong_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with way("interpreter")() as made:
        made.prepare(_sampling.function_of("bare", 0))
        start = made.start

        def spoiled() -> Any:
            instance = start()
            invoke = instance.invoke
            monkeypatch.setattr(instance, "invoke", lambda payload: invoke(payload) + b"?")
            return instance

        monkeypatch.setattr(made, "start", spoiled)
        with pytest.raises(StartError, match="not what was sent"):
            _sampling._burst(made, 1, set())


def test_what_a_machine_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = way("interpreter")
    monkeypatch.setattr(kind, "missing", classmethod(lambda _: "no interpreter here"))
    assert Starts("interpreter").missing() == "interpreter: no interpreter here"
    with pytest.raises(NotImplementedError, match="interpreter: no interpreter here"):
        _sampling.starts("interpreter", "bare", 1, 0, "hot", 1)
    monkeypatch.setattr(page_cache, "DROP", Path("/nowhere/drop_caches"))
    with pytest.raises(NotImplementedError, match="needs root"):
        _sampling.starts("spawn", "bare", 1, 0, "dropped", 1)


@pytest.mark.skipif(page_cache.missing() is not None, reason=str(page_cache.missing()))
def test_a_dropped_page_cache_is_measured() -> None:
    row = Dropped.row_of("interpreter", "ready")
    assert row.name == "cold_start_interpreter_http_dropped"
    result = row.result(_measured(1, 1, row), OpenRun("x").ended())
    assert result.facts["page_cache"] == "dropped"
