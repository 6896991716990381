"""Load curves: real runs with few samples, and what is said of a point."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.experiments import _loads, base, load_curve
from benchmarks.experiments.base import samples_of
from benchmarks.experiments.load_curve import Curve
from benchmarks.harness.session import Turn
from benchmarks.load.arrivals import constant, poisson_of
from benchmarks.servers.uvicorn import UvicornInProcess
from tests.experiments.support import SAMPLES, SEED, STUDY, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("platform", load_curve.PLATFORMS)
@pytest.mark.parametrize(
    ("name", "size", "sent_bytes"), [("noop", "empty", 0), ("echo", "bytes=65536", 65536)]
)
def test_a_curve(platform: str, name: str, size: str, sent_bytes: int) -> None:
    found = run(Curve(f"{name}:{size}", platform, points=("load50", "rate200")))
    said = {point: one.facts["more"] for point, one in found.items()}
    capacity_per_s = said["load50"]["capacity_per_s"]
    assert said["rate200"]["capacity_per_s"] == capacity_per_s > 0
    for point, wanted in (("load50", capacity_per_s / 2), ("rate200", 200)):
        assert len(found[point].durations_ns) == SAMPLES
        is_ours = platform.startswith("aetherless")
        assert found[point].facts["starts"] == ({"warm": SAMPLES} if is_ours else {})
        assert found[point].facts["payload_size_bytes"] == sent_bytes
        assert (said[point]["loop"], said[point]["seed"]) == ("open", SEED)
        arrivals = said[point]["arrivals"]
        assert (arrivals["kind"], arrivals["count"]) == ("poisson", load_curve.WARMUP + SAMPLES)
        assert arrivals["rate_per_s"] == pytest.approx(wanted)
        schedule = poisson_of(wanted, load_curve.WARMUP + SAMPLES, SEED)
        assert said[point]["offered_per_s"] == pytest.approx(schedule.offered_per_s)
    row = STUDY[f"e2e_load_curve_{name}_{size.replace('=', '')}_load50_{platform}"]
    assert row.told([found["load50"]])["rate"] == said["load50"]["offered_per_s"]


def test_a_platform_that_saturates_says_so() -> None:
    # One request of 10 ms at a time: the event loop sleeps.
    [one] = run(Curve("010.sleep:ms=10", "uvicorn", points=("rate4000",)), 40).values()
    said = one.facts["more"]
    assert said["capacity_per_s"] < 100
    assert said["achieved_per_s"] < 100 < said["offered_per_s"]
    assert "saturated" in " ".join(one.warnings)
    # All arrive in 10 ms or so, and the last one waits for all: 400 ms.
    assert max(one.durations_ns) > 40 * 10e6 - 100e6


@pytest.mark.parametrize(
    ("capacity", "longer_each_s", "saturated"),
    [(250, 0, False), (250, 0.1, False), (250, 0.12, True), (199, 0, True)],
)
def test_saturated_is_above_the_capacity_or_growing(
    capacity: float, longer_each_s: float, saturated: bool
) -> None:
    arrivals = constant(200.0, 0.5)
    latency_ns = 1e6 + longer_each_s * arrivals.intended_ns
    came = samples_of(latency_ns.tolist(), warnings=["busy"])
    one = load_curve.judged(came, arrivals, capacity)
    assert one.warnings[0] == "busy"
    assert (len(one.warnings) == 2) is saturated
    assert one.facts["more"]["capacity_per_s"] == capacity


def test_a_moment_of_standing_still_is_no_saturation() -> None:
    arrivals = constant(200.0, 0.5)
    latency_ns = np.full(100, 1e6)
    latency_ns[-10:] = 50e6
    came = samples_of(latency_ns.tolist())
    assert not load_curve.judged(came, arrivals, 250).warnings


@pytest.mark.parametrize("starts", [{"warm": 2}, {"warm": 1, "zygote": 2}, {}])
def test_the_runtime_must_say_of_each_right_answer_that_it_was_warm(starts: dict[str, int]) -> None:
    came = samples_of([1.0] * 4, failures={"reset": 1}, starts=starts)
    with pytest.raises(RuntimeError, match="not all 3 answers were warm"):
        _loads.prove_warm(came)
    right = samples_of([1.0] * 4, failures={"reset": 1}, starts={"warm": 3})
    _loads.prove_warm(right)


def test_where_all_have_failed_none_must_be_warm() -> None:
    _loads.prove_warm(samples_of([1.0], failures={"timeout": 1}))


def test_a_platform_that_answers_wrongly_has_no_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(UvicornInProcess):
        def __init__(self, workload: str, concurrency: int) -> None:
            super().__init__("echo", concurrency)

    monkeypatch.setattr(base, "server", lambda _: Other)
    trial = Curve("noop:empty", "uvicorn", points=("load50",))
    with pytest.raises(RuntimeError, match=r"uvicorn failed in a closed loop.*content type"):
        trial.run(Turn(SEED, SAMPLES))
