"""Chains and transfers: real runs, and what they refuse."""

from __future__ import annotations

import time

import pytest

from benchmarks.experiments import chain, transfer
from benchmarks.experiments._one_at_a_time import prove_warm
from benchmarks.harness import page_cache
from benchmarks.harness.processes import ROOT, ChildFailedError
from benchmarks.harness.session import Turn
from benchmarks.servers.aetherless import Aetherless
from tests.experiments.support import SAMPLES, SEED, run

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", chain.KINDS)
@pytest.mark.parametrize("functions", [2, 8])
def test_a_chain(kind: str, functions: int) -> None:
    [one] = run(chain.Chained(kind=kind, functions=functions)).values()
    assert len(one.durations_ns) == SAMPLES
    assert one.facts["starts"] == {"warm": SAMPLES}
    assert one.facts["payload_size_bytes"] == 1024
    assert not one.warnings


def test_a_chain_of_another_length_is_an_error() -> None:
    trial = chain.Chained(kind="tail", functions=2)
    with (
        trial.chain() as one,
        pytest.raises(ChildFailedError, match="functions have counted"),
    ):
        trial.ask(one, Turn(SEED, SAMPLES), "/function/f0", functions=3)


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
            prove_warm(one)


def _instances(one: Aetherless) -> int:
    told = one.ask("GET", "/metrics")[1].decode().splitlines()
    counts = [line for line in told if line.startswith('aetherless_instances{function="a"')]
    assert counts
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


@pytest.mark.parametrize("size_bytes", transfer.SAMPLES)
def test_a_transfer(size_bytes: int) -> None:
    found = run(transfer.Transfers(f"transfer:bytes={size_bytes}", samples=2), 2)
    assert set(found) == set(transfer.WAYS)
    for way, one in found.items():
        assert len(one.durations_ns) == 2
        assert one.facts["starts"] == {"warm": 2}
        assert ("above_alone_ns" in one.facts["more"]) is (way != "alone")


def test_a_transfer_wants_a_tmpfs(monkeypatch: pytest.MonkeyPatch) -> None:
    if not page_cache.is_behind(ROOT):
        pytest.skip(f"{ROOT} lies in memory")
    monkeypatch.setattr(transfer, "STORAGE", ROOT)
    assert "is no tmpfs" in (transfer.Transfers("transfer:bytes=1024", samples=2).missing() or "")
