"""The end-to-end suite: the contract of its trials, real runs of some, and what is handed over."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aetherless_py.start.criu import Criu
from benchmarks import e2e_latency
from benchmarks.experiments import trials
from benchmarks.experiments.base import Outcome, Trial, metadata_of
from benchmarks.experiments.side_by_side import SideBySide
from benchmarks.load.histogram import Histogram
from benchmarks.servers import SERVERS
from benchmarks.workloads.registry import WORKLOADS
from tools import quick, report, run_benchmarks

HALF = "load_curve_noop_empty_load50_aetherless"
TRIALS = {trial.name: trial for trial in trials(quick=False)}
QUICK = {trial.name for trial in trials(quick=True)}
SAMPLES = 4
ARRIVALS = {"sequential", "closed", "constant", "poisson", "burst"}


def test_names_are_unique_and_fit() -> None:
    every = trials(quick=False)
    cases = [case for trial in every for case in trial.cases]
    for names in ([trial.name for trial in every], [case.name for case in cases]):
        assert [name for name, count in Counter(names).items() if count > 1] == []
        assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9_.+-]+", name)] == []
    assert set(e2e_latency.CASES) == {case.name for case in cases}


def test_cases_name_what_there_is() -> None:
    for trial in TRIALS.values():
        assert trial.cases and trial.samples > 0 and trial.quick_samples > 0, trial.name
        for case in trial.cases:
            assert case.workload in WORKLOADS, case.name
            assert case.platform in SERVERS, case.name
            assert case.arrivals in ARRIVALS, case.name
            scheduled = case.arrivals not in ("sequential", "closed")
            shared = "percent_of_capacity" in case.more  # a rate that is known only at its run
            assert (case.rate is not None) == (scheduled and not shared), case.name
            assert {case.of(other) for other in case.beside} <= set(e2e_latency.CASES), case.name
            json.dumps(case.metadata(), allow_nan=False)


def test_the_quick_pass_asks_for_what_it_measures() -> None:
    import importlib

    from benchmarks.experiments import EXPERIMENTS

    for name in EXPERIMENTS:
        module = importlib.import_module(f"benchmarks.experiments.{name}")
        assert set(module.QUICK) <= {trial.name for trial in module.TRIALS}, name
    pattern = re.compile(quick.PATTERNS["e2e"])
    asked = [
        name
        for name in e2e_latency.CASES
        if pattern.match(f"e2e_latency.Latency.track_latency('{name}')")
    ]
    assert asked == list(e2e_latency.QUICK)
    assert {"crowd_noop_empty_c10_aetherless", "burst_noop_empty_warm_16"} <= QUICK


# -- what the rounds say -------------------------------------------------------------------------


def _sets(*rounds: Outcome) -> list[dict[str, Any]]:
    return [one.as_set() for one in rounds]


def test_failures_are_counted_and_stay_in_the_denominator() -> None:
    found = metadata_of(
        _sets(
            Outcome([100.0, 200.0, 1e10], {"timeout": 1}, {"warm": 2}, 7, 3, more={"a": 1}),
            Outcome([100.0, 1e10, 1e10], {"timeout": 1, "reset": 1}, {"warm": 1}, 7, 2),
        )
    )
    assert found["failures"] == {"timeout": 2, "reset": 1}
    assert (found["starts"], found["recollected"]) == ({"warm": 3}, 5)
    assert found["payload_size_bytes"] == 7
    assert found["rounds"] == [{"a": 1}, {}]
    kept = Histogram.decoded(found["histogram"], failed=3)
    assert kept.count == 6
    assert kept.percentile_ns(50) == pytest.approx(200, rel=1e-3)
    assert np.isinf(kept.percentile_ns(51))


def test_the_histogram_decodes_to_the_samples() -> None:
    samples = np.random.default_rng(1).lognormal(12, 1, 500)
    found = metadata_of(_sets(Outcome(samples[:250].tolist()), Outcome(samples[250:].tolist())))
    assert "rounds" not in found
    kept = Histogram.decoded(found["histogram"], failed=0)
    for rank in (1, 37, 250, 499, 500):
        expected = np.sort(samples)[rank - 1]
        assert kept.percentile_ns(rank / 5) == pytest.approx(expected, rel=2e-3)


def test_the_tail_to_median_ratio_needs_samples_beyond_the_p99() -> None:
    few = metadata_of(_sets(Outcome([1e6] * 999)))
    assert few["tail_to_median_ratio"] is None
    slow = [1e6] * 600 + [2e6] * 380 + [5e6] * 20
    assert metadata_of(_sets(Outcome(slow)))["tail_to_median_ratio"] == 5
    none = metadata_of(_sets(Outcome([1e10] * 1000, {"timeout": 1000})))
    assert none["tail_to_median_ratio"] is None


def test_a_way_of_starting_that_the_machine_lacks_is_not_available(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Criu, "missing", lambda *_: "criu is not there: install it")
    assert TRIALS["cold_noop_criu"].missing() == "criu is not there: install it"
    assert TRIALS["cold_noop_zygote"].missing() is None


# -- real runs -----------------------------------------------------------------------------------


def _run(name: str, samples: int = SAMPLES) -> dict[str, Outcome]:
    trial: Trial = TRIALS[name]
    if (why := trial.missing()) is not None:
        pytest.skip(why)
    found = trial.run(samples, 5)
    assert set(found) == {case.name for case in trial.cases}
    for one in found.values():
        assert not one.failures
        assert all(sample > 0 for sample in one.samples_ns)
        json.dumps(metadata_of(_sets(one)), allow_nan=False)
    return found


def test_the_layers_of_each_request_add_up() -> None:
    found = _run("layers_noop_empty")
    by_layer = {name.rpartition("_")[2]: np.array(one.samples_ns) for name, one in found.items()}
    total = by_layer.pop("total")
    assert set(by_layer) == {"client", "gateway", "queue", "transport", "function"}
    np.testing.assert_allclose(sum(by_layer.values()), total)


@pytest.mark.parametrize("platform", ["aetherless", "uvicorn", "functions_framework"])
def test_a_crowd(platform: str) -> None:
    [one] = _run(f"crowd_echo_bytes1024_c10_{platform}").values()
    assert len(one.samples_ns) == SAMPLES
    assert one.starts == ({"warm": SAMPLES} if platform == "aetherless" else {})
    assert one.payload_size_bytes == 1024
    assert one.more["loop"] == "closed"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["protocol_noop", "payload_echo_bytes6291456"])
def test_platforms_side_by_side(name: str) -> None:
    found = _run(name)
    cases = TRIALS[name].cases
    assert [case.platform for case in cases] == ["aetherless", "aetherless_proxied", "uvicorn"]
    for case in cases:
        one = found[case.name]
        assert len(one.samples_ns) == SAMPLES
        state = "unknown" if case.platform == "uvicorn" else "warm"
        assert one.starts == {state: SAMPLES}
        assert one.payload_size_bytes == int(name.partition("bytes")[2] or 0)
    first, _, last = (found[case.name] for case in cases)
    [above] = [value for key, value in first.more.items() if key.endswith("uvicorn_ns")]
    assert above == float(np.median(first.samples_ns) - np.median(last.samples_ns))


def test_the_order_of_platforms_changes_with_the_round() -> None:
    trial = TRIALS["protocol_noop"]
    assert isinstance(trial, SideBySide)
    assert {tuple(trial._order(seed)) for seed in range(50)} == {
        (0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("burst_noop_empty_warm_4", {"warm"}),
        ("burst_010.sleep_ms300_warm_4", {"warm"}),
        ("burst_noop_empty_cold_4", {"zygote", "warm"}),
        ("burst_010.sleep_ms300_cold_4", {"zygote"}),
    ],
)
def test_bursts_find_the_instances_that_they_are_to_find(name: str, starts: set[str]) -> None:
    [one] = _run(name, 6).values()
    assert len(one.samples_ns) == 8  # whole bursts
    assert sum(one.starts.values()) == 8 + one.recollected
    if not one.recollected:
        assert set(one.starts) <= starts
    if "sleep" in name:
        assert one.more["instances"] == 4
    assert one.more["last_ns"] == np.median([max(one.samples_ns[:4]), max(one.samples_ns[4:])])


def test_a_queue_takes_at_least_the_time_that_is_calculated() -> None:
    name = "service_time_010.sleep_ms10_on4_16"
    [case] = TRIALS[name].cases
    assert case.more == {"instances": 4, "arithmetic_last_ns": pytest.approx(40e6)}
    [one] = _run(name, 16).values()
    assert len(one.samples_ns) == 16
    assert one.more["last_ns"] >= 40e6
    assert one.more["instances"] == 4
    # Four in each step of the queue.
    ordered = np.sort(one.samples_ns)
    assert all(ordered[at] >= (at // 4 + 1) * 10e6 for at in range(16))


@pytest.mark.parametrize(("idle", "share"), [("40", 0.0), ("400", 1.0)])
def test_who_comes_after_the_keep_alive_time_finds_no_instance(idle: str, share: float) -> None:
    [one] = _run(f"keep_alive_noop_idle{idle}ms").values()
    assert len(one.samples_ns) == SAMPLES
    assert one.more["cold_share"] == share
    assert one.starts == {"zygote" if share else "warm": SAMPLES}
    assert bool(one.more["phases"]) == bool(share)


@pytest.mark.slow
def test_a_whole_quick_run(tmp_path: Path) -> None:
    arguments = ["--quick", "--category", "e2e", "--iterations", "2", "--output", str(tmp_path)]
    began = time.time()
    assert run_benchmarks.main(arguments) == 0
    [path] = tmp_path.iterdir()
    document = json.loads(path.read_text())
    report.validate(document)
    results = {result["name"]: result for result in document["results"]}
    assert set(results) == {f"e2e_{name}" for name in e2e_latency.QUICK}
    told = results["e2e_crowd_noop_empty_c10_aetherless"]["metadata"]
    wanted = "experiment workload platform start_mode arrivals rate concurrency payload_size_bytes"
    assert set(f"{wanted} failures histogram".split()) <= set(told)
    assert told["starts"] == {"warm": 3 * 2}
    assert told["arrivals"] == "closed" and told["rounds"][0]["loop"] == "closed"
    assert told["environment"]["began_at_ms"] >= began * 1000 - 1
    half = results[f"e2e_{HALF}"]["metadata"]
    offered = [one["offered_per_s"] for one in half["rounds"]]
    assert half["rate"] == pytest.approx(np.median(offered))
    of_bursts = results["e2e_burst_noop_empty_warm_16"]
    assert of_bursts["iterations"] == 3 * 16
    assert of_bursts["metadata"]["concurrency"] == 16
