"""Real runs of trials with few samples, and what is made of a session."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.experiments import base
from benchmarks.experiments.burst import Bursts
from benchmarks.experiments.generator import Generating
from benchmarks.experiments.serving import LONG_SECONDS, Wrk
from benchmarks.harness.result import Result
from benchmarks.harness.run import OpenRun
from benchmarks.harness.samples import Samples
from benchmarks.harness.selection import Selection
from benchmarks.harness.session import Session, Take, Turn
from benchmarks.load import wrk
from benchmarks.suites import rows
from tests.experiments.support import SAMPLES, SEED, STUDY, run, run_row


def test_the_layers_of_each_request_add_up() -> None:
    row = STUDY["e2e_layers_noop_empty_total"]
    by_layer = {name: np.array(one.durations_ns) for name, one in run(row.trial).items()}
    total = by_layer.pop(row.part)
    assert set(by_layer) == {"client", "gateway", "queue", "transport", "function"}
    np.testing.assert_allclose(sum(by_layer.values()), total)


@pytest.mark.parametrize("platform", ["aetherless", "uvicorn", "functions_framework"])
def test_a_closed_loop(platform: str) -> None:
    one = run_row(f"e2e_crowd_echo_bytes1024_c10_{platform}")
    assert len(one.durations_ns) == SAMPLES
    assert one.facts["starts"] == ({"warm": SAMPLES} if platform == "aetherless" else {})
    assert one.facts["payload_size_bytes"] == 1024
    assert one.facts["more"]["loop"] == "closed"


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["aetherless", "aetherless_proxied", "uvicorn"])
@pytest.mark.parametrize("name", ["protocol_noop", "payload_echo_bytes6291456"])
def test_one_at_a_time(name: str, platform: str) -> None:
    one = run_row(f"e2e_{name}_{platform}")
    assert len(one.durations_ns) == SAMPLES
    state = "unknown" if platform == "uvicorn" else "warm"
    assert one.facts["starts"] == {state: SAMPLES}
    assert one.facts["payload_size_bytes"] == int(name.partition("bytes")[2] or 0)


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("noop_empty_warm_4", {"warm"}),
        ("010.sleep_ms300_warm_4", {"warm"}),
        ("noop_empty_cold_4", {"zygote", "warm"}),
        ("010.sleep_ms300_cold_4", {"zygote"}),
    ],
)
def test_bursts_find_the_instances_that_they_are_to_find(name: str, starts: set[str]) -> None:
    one = run_row(f"e2e_burst_{name}", 6)
    ns, facts = one.durations_ns, one.facts
    assert len(ns) == 8  # whole bursts
    assert sum(facts["starts"].values()) == 8 + facts["recollected"]
    if not facts["recollected"]:
        assert set(facts["starts"]) <= starts
    if "sleep" in name:
        assert facts["more"]["instances"] == 4
    assert facts["more"]["last_ns"] == np.median([max(ns[:4]), max(ns[4:])])


def test_the_longer_a_burst_the_later_its_last_request_may_be_sent() -> None:
    trial = STUDY["e2e_service_time_010.sleep_ms10_on4_16"].trial
    assert isinstance(trial, Bursts)
    assert trial.lag_bound_ns == 1_000_000 + 16 * 50_000


def test_a_queue_takes_at_least_the_time_that_is_calculated() -> None:
    name = "e2e_service_time_010.sleep_ms10_on4_16"
    assert STUDY[name].facts["instances"] == 4
    assert STUDY[name].facts["arithmetic_last_ns"] == pytest.approx(40e6)
    one = run_row(name, 16)
    assert len(one.durations_ns) == 16
    assert one.facts["more"]["last_ns"] >= 40e6
    assert one.facts["more"]["instances"] == 4
    # Four in each step of the queue.
    ordered = np.sort(one.durations_ns)
    assert all(ordered[at] >= (at // 4 + 1) * 10e6 for at in range(16))


@pytest.mark.parametrize(("idle", "share"), [("40", 0.0), ("400", 1.0)])
def test_who_comes_after_the_keep_alive_time_finds_no_instance(idle: str, share: float) -> None:
    one = run_row(f"e2e_keep_alive_noop_idle{idle}ms")
    assert len(one.durations_ns) == SAMPLES
    assert one.facts["more"]["cold_share"] == share
    assert one.facts["starts"] == {"zygote" if share else "warm": SAMPLES}
    assert bool(one.facts["more"]["phases"]) == bool(share)


@pytest.mark.parametrize("strategy", ["zygote", "spawn", "criu"])
def test_a_cold_request_says_how_its_instance_was_started(strategy: str) -> None:
    one = run_row(f"e2e_cold_noop_http_{strategy}", 2)
    assert one.facts["starts"][strategy] == 2
    assert one.facts["more"]["phases"]["ready_ns"] <= max(one.durations_ns)


# -- wrk, and the generator by itself --------------------------------------------------------------


def test_wrk_gives_the_time_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    if (why := wrk.missing()) is not None:
        pytest.skip(why)
    trial = STUDY["e2e_serving_echo_bytes1048576_c4_uvicorn"].trial
    found = trial.run(Turn(SEED))[""]
    assert found.number == found.facts["requests"] > 1
    assert list(found.durations_ns) == pytest.approx([1e9 / found.facts["per_second"]])
    assert 0 < found.facts["p50_ns"] <= found.facts["p99_ns"]
    monkeypatch.setattr(wrk, "run", lambda *_: wrk.Load(10, 1_000_000, 3, 1, 1))
    with pytest.raises(RuntimeError, match="3 of 10 requests failed"):
        trial.run(Turn(SEED))


def test_a_long_run_looks_at_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def load(url: str, connections: int, seconds: int, body_bytes: int) -> wrk.Load:
        asked.append(seconds)
        return wrk.Load(1000, 1_000_000, 0, 1, 1)

    memory = iter([30_000_000, 30_008_000])
    process = SimpleNamespace(memory_full_info=lambda: SimpleNamespace(uss=next(memory)))
    monkeypatch.setattr(wrk, "run", load)
    monkeypatch.setattr("psutil.Process", lambda pid: process)
    found = Wrk("noop:empty", concurrency=2, seconds=LONG_SECONDS)._watched(
        SimpleNamespace(port=1, path="/", pid=1)  # type: ignore[arg-type]
    )
    assert asked == [LONG_SECONDS // 4, LONG_SECONDS]
    assert found.facts["memory_growth_bytes_per_request"] == 8


def test_the_generator_by_itself() -> None:
    if (why := Generating().missing()) is not None:
        pytest.skip(why)
    found = Generating().run(Turn(SEED, 100))
    assert [len(one.durations_ns) for one in found.values()] == [100, 100]
    lag, latency = found["lag"], found["latency"]
    assert lag.invalid is None  # how late it was is what it says
    assert all(a < b for a, b in zip(lag.durations_ns, latency.durations_ns, strict=True))
    assert lag.facts["more"]["arrivals"]["kind"] == "constant"


# -- a session -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_quick_session_gives_whole_results() -> None:
    chosen = rows(Selection.QUICK, ["e2e"])
    session = Session([t for row in chosen for t in row.trials()], 2, SEED, 4, quick=True)
    session.run()
    run_ = OpenRun("worktree", Selection.QUICK, rounds=2).ended()
    results = {row.name: row.result(session.measured, run_) for row in chosen}
    told: dict[str, Any] = {name: each.as_standard() for name, each in results.items()}
    json.dumps(told, allow_nan=False)
    wanted = "experiment workload platform start_mode arrivals rate concurrency payload_size_bytes"
    for name, each in told.items():
        assert set(f"{wanted} failures histogram".split()) <= set(each["metadata"]), name
    crowd = told["e2e_crowd_noop_empty_c10_aetherless"]["metadata"]
    assert (crowd["workload"], crowd["starts"]) == ("noop", {"warm": 2 * 4})
    assert crowd["arrivals"] == "closed" and crowd["rounds"][0]["loop"] == "closed"
    beside = told["e2e_crowd_noop_empty_c10_uvicorn"]["metadata"]
    assert beside["ratio_to_aetherless"] > 0
    bursts = told["e2e_burst_noop_empty_warm_16"]
    # A round in which the generator was late is left out.
    assert bursts["iterations"] == 16 * bursts["metadata"]["processes"]
    assert bursts["metadata"]["concurrency"] == 16


def test_a_round_in_which_the_generator_was_late_does_not_count() -> None:
    row = STUDY["e2e_burst_noop_empty_warm_16"]
    session = Session([row.trial], 3)
    valid, late = base.samples_of([1.0, 2.0]), base.samples_of([9.0, 9.0], invalid="late")
    measured = session.measured[row.trial.name]

    def result(*rounds: Samples) -> Result:
        measured.takes = [Take(each, "", number, number) for number, each in enumerate(rounds)]
        return row.result(session.measured, OpenRun("worktree").ended())

    one = result(valid, late, valid)
    assert one.invalid is None and len(one.rounds) == 2
    assert result(late, late, valid).invalid == "late (2 of 3 rounds)"
