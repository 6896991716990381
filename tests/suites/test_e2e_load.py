"""Load curves, packages, chains and transfers: real runs with few samples, and what they refuse."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.experiments import chain, linked, load_curve, loads, package, transfer
from benchmarks.experiments.base import Outcome, Trial, metadata_of
from benchmarks.experiments.load_curve import HALF, RATES, LoadCurve, Point
from benchmarks.harness import page_cache
from benchmarks.harness.processes import ChildFailedError
from benchmarks.load.arrivals import constant, poisson_of
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.uvicorn import UvicornInProcess
from tools.working_tree import ROOT

pytestmark = pytest.mark.slow

SAMPLES = 4
SEED = 5


def _run(trial: Trial, samples: int = SAMPLES) -> dict[str, Outcome]:
    """A real run, whose outcomes are whole."""
    if (why := trial.missing()) is not None:
        pytest.skip(why)
    found = trial.run(samples, SEED)
    assert set(found) == {case.name for case in trial.cases}
    for case in trial.cases:
        one = found[case.name]
        assert len(one.samples_ns) == samples
        assert not one.failures
        assert all(sample > 0 for sample in one.samples_ns)
        json.dumps({**case.metadata(), **metadata_of([one.as_set()])}, allow_nan=False)
    return found


# -- load curve ----------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", load_curve.PLATFORMS)
@pytest.mark.parametrize(
    ("name", "size", "sent_bytes"), [("noop", "empty", 0), ("echo", "bytes=65536", 65536)]
)
def test_a_curve(platform: str, name: str, size: str, sent_bytes: int) -> None:
    trial = LoadCurve(name, size, platform, (HALF, RATES[0]))
    found = _run(trial)
    half, rate = (found[case.name] for case in trial.cases)
    assert half.more["capacity_per_s"] == rate.more["capacity_per_s"] > 0
    wanted = {HALF: half.more["capacity_per_s"] / 2, RATES[0]: 200}
    for point, one in ((HALF, half), (RATES[0], rate)):
        assert one.starts == ({"warm": SAMPLES} if platform.startswith("aetherless") else {})
        assert one.payload_size_bytes == sent_bytes
        assert (one.more["loop"], one.more["seed"]) == ("open", SEED)
        arrivals = one.more["arrivals"]
        assert (arrivals["kind"], arrivals["count"]) == ("poisson", load_curve.WARMUP + SAMPLES)
        assert arrivals["rate_per_s"] == pytest.approx(wanted[point])
        schedule = poisson_of(wanted[point], load_curve.WARMUP + SAMPLES, SEED)
        assert one.more["offered_per_s"] == pytest.approx(schedule.offered_per_s)


def test_a_platform_that_saturates_says_so() -> None:
    # One request of 10 ms at a time: the event loop sleeps.
    trial = LoadCurve("010.sleep", "ms=10", "uvicorn", (Point(rate_per_s=4000.0),))
    [one] = _run(trial, 40).values()
    assert one.more["capacity_per_s"] < 100
    assert one.more["achieved_per_s"] < 100 < one.more["offered_per_s"]
    assert "saturated" in " ".join(one.doubts)
    # All arrive in 10 ms or so, and the last one waits for all: 400 ms.
    assert max(one.samples_ns) > 40 * 10e6 - 100e6


@pytest.mark.parametrize(
    ("capacity", "longer_each_s", "saturated"),
    [(250, 0, False), (250, 0.1, False), (250, 0.12, True), (199, 0, True)],
)
def test_saturated_is_above_the_capacity_or_growing(
    capacity: float, longer_each_s: float, saturated: bool
) -> None:
    arrivals = constant(200.0, 0.5)
    latency_ns = 1e6 + longer_each_s * arrivals.intended_ns
    told = load_curve._told(
        Outcome(latency_ns.tolist(), doubts=["late"]), 200.0, arrivals.intended_ns, capacity
    )
    assert told.doubts[0] == "late"
    assert (len(told.doubts) == 2) is saturated
    assert told.more["capacity_per_s"] == capacity


def test_a_moment_of_standing_still_is_no_saturation() -> None:
    arrivals = constant(200.0, 0.5)
    latency_ns = np.full(100, 1e6)
    latency_ns[-10:] = 50e6
    came = Outcome(latency_ns.tolist())
    assert not load_curve._told(came, 200.0, arrivals.intended_ns, 250).doubts


@pytest.mark.parametrize("starts", [{"warm": 2}, {"warm": 1, "zygote": 2}, {}])
def test_the_runtime_must_say_of_each_right_answer_that_it_was_warm(starts: dict[str, int]) -> None:
    came = Outcome([1.0] * 4, failures={"reset": 1}, starts=starts)
    with pytest.raises(RuntimeError, match="not all 3 answers were warm"):
        loads.prove_warm(came, Aetherless)
    came.starts = {"warm": 3}
    loads.prove_warm(came, Aetherless)


def test_other_platforms_say_nothing_of_it() -> None:
    loads.prove_warm(Outcome([1.0]), UvicornInProcess)
    loads.prove_warm(Outcome([1.0], failures={"timeout": 1}), Aetherless)


def test_a_platform_that_answers_wrongly_has_no_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(UvicornInProcess):
        def __init__(self, workload: str, concurrency: int) -> None:
            super().__init__("echo", concurrency)

    monkeypatch.setattr(load_curve, "server", lambda _: Other)
    trial = LoadCurve("noop", "empty", "uvicorn", (HALF,))
    with pytest.raises(RuntimeError, match=r"uvicorn failed in a closed loop.*content type"):
        trial.run(SAMPLES, SEED)


# -- packages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("trial", package.TRIALS, ids=lambda trial: str(trial.name))
def test_a_package(trial: Trial) -> None:
    found = _run(trial, 1)
    for case in trial.cases:
        one = found[case.name]
        # The one before those that count is not counted.
        assert one.starts == {case.start_mode: 1}
        assert one.more["phases"]["ready_ns"] <= one.samples_ns[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    if not page_cache.is_behind(tmp_path):
        pytest.skip(f"{tmp_path} lies in memory")
    if (lacks := page_cache.missing()) is not None:
        pytest.skip(lacks)
    return Path(package._written(tmp_path, 3, SEED))


def test_the_page_cache_is_as_it_is_to_be(file: Path) -> None:
    assert file.stat().st_size == 3 << 20
    package.settle(str(file), "dropped")
    assert page_cache.cached_bytes(file) == 0
    package.settle(str(file), "hot")
    assert page_cache.cached_bytes(file) == 3 << 20


def test_a_page_cache_that_is_not_dropped_is_an_error(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.read_bytes()
    monkeypatch.setattr(page_cache, "drop", lambda: None)
    with pytest.raises(RuntimeError, match="of the package's 3145728 bytes are in the page cache"):
        package.settle(str(file), "dropped")


def test_who_reads_the_package_is_proven(file: Path) -> None:
    page_cache.drop()
    package._prove_read(file, by_instances=False)
    with pytest.raises(RuntimeError, match="0 bytes of the package"):
        package._prove_read(file, by_instances=True)
    file.read_bytes()
    package._prove_read(file, by_instances=True)
    with pytest.raises(RuntimeError, match="after a start"):
        package._prove_read(file, by_instances=False)


def test_a_package_that_only_memory_could_hold_cannot_be_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(package, "_FOLDERS", ("/dev/shm",))
    assert package.Package("spawn", "hot").missing() is None
    assert "lie in memory: set TMPDIR" in (package.Package("spawn", "dropped").missing() or "")


# -- chains and transfers ------------------------------------------------------------------------


@pytest.mark.parametrize("trial", chain.TRIALS, ids=lambda trial: str(trial.name))
def test_a_chain(trial: Trial) -> None:
    for one in _run(trial).values():
        assert one.starts == {"warm": SAMPLES}
        assert one.payload_size_bytes == 1024
        assert not one.doubts


def test_a_chain_of_another_length_is_an_error() -> None:
    trial = chain.TRIALS[0]
    with chain._Chains(2) as one, pytest.raises(ChildFailedError, match="functions have counted"):
        linked.ask_first(one, "tail0", trial.cases[0], chain.SIZE, SAMPLES, SEED, {"functions": 3})


def test_a_link_that_was_not_warm_is_an_error() -> None:
    with Aetherless("noop", keep_alive_s=0, functions={"a": {}, "b": {}}) as one:
        for name in ("a", "a", "b"):
            assert one.status("GET", f"/function/{name}") == 200
            until = time.monotonic() + 60
            while name == "a" and _instances(one) and time.monotonic() < until:
                time.sleep(0.02)
        starts = one.starts()
        assert starts == {"a": {"zygote": 2}, "b": {"zygote": 1}}
        with pytest.raises(RuntimeError, match="a was not warm"):
            linked.prove_warm(one)


def _instances(one: Aetherless) -> int:
    told = one.ask("GET", "/metrics")[1].decode().splitlines()
    counts = [line for line in told if line.startswith('aetherless_instances{function="a"')]
    assert counts
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


@pytest.mark.parametrize("trial", transfer.TRIALS, ids=lambda trial: str(trial.name))
def test_a_transfer(trial: Trial) -> None:
    found = _run(trial, 2)
    for case in trial.cases:
        one = found[case.name]
        assert one.starts == {"warm": 2}
        assert ("above_alone_ns" in one.more) is (case.more["way"] != "alone")


def test_a_transfer_wants_a_tmpfs(monkeypatch: pytest.MonkeyPatch) -> None:
    if not page_cache.is_behind(ROOT):
        pytest.skip(f"{ROOT} lies in memory")
    monkeypatch.setattr(transfer, "STORAGE", ROOT)
    assert "is no tmpfs" in (transfer.TRIALS[0].missing() or "")
