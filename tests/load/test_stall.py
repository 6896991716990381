"""Coordinated omission: a server stalls once; the open loop shows it, the closed one does not.

What the open loop must show follows from the schedule and from the stall: whoever was to come at
t inside a stall that ends at e waits e - t.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness.statistics import nearest_rank
from benchmarks.load.arrivals import Schedule, constant
from benchmarks.load.request import Request
from benchmarks.load.result import LoadResult
from benchmarks.load.run import Closed, Load, run
from tests.load.histograms import Decoded

ROOT = Path(__file__).resolve().parents[3]
AFTER = 200  # requests before the stall
STALL_S = 1.5
RATE_PER_S = 200.0
REQUESTS = 1000
WITHIN = 0.05


@contextlib.contextmanager
def stalling() -> Iterator[tuple[int, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "tests.load.stalling", str(AFTER), str(STALL_S)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        assert server.stdin and server.stdout
        try:
            yield int(server.stdout.readline()), server
        finally:
            server.stdin.close()
            try:
                server.wait(60)
            finally:
                server.kill()


def sent_to_it(arrivals: Schedule | Closed, connections: int) -> tuple[LoadResult, int, int]:
    with stalling() as (port, server):
        # Opened before: the server takes in no new ones while it answers those who waited.
        load = Load(
            request=Request("127.0.0.1", port),
            arrivals=arrivals,
            timeout_s=60,
            connections_before=connections,
        )
        came = run(load)
        assert server.stdout
        began_ns, ended_ns = map(int, server.stdout.readline().split())
    assert came.failures == {}
    assert came.requests == REQUESTS
    return came, began_ns - came.began_ns, ended_ns - came.began_ns


def test_the_open_loop_shows_the_stall() -> None:
    schedule = constant(RATE_PER_S, REQUESTS / RATE_PER_S)
    came, began_ns, ended_ns = sent_to_it(schedule, round(1.2 * STALL_S * RATE_PER_S))
    # The request that met the stall was on its way when it began.
    is_hit = (schedule.intended_ns < ended_ns) & (np.arange(REQUESTS) >= AFTER)
    assert is_hit.sum() > STALL_S * RATE_PER_S * 0.9
    expected_ns = np.sort(np.where(is_hit, ended_ns - schedule.intended_ns, 0).astype(float))
    p99_ns = came.percentile_ns(99)
    assert p99_ns == pytest.approx(nearest_rank(expected_ns, 99), rel=WITHIN)
    assert came.latency is not None and came.latency.p99_ns == p99_ns
    kept = Decoded(came.as_dict()["histogram"])
    assert kept.percentile_ns(99) == pytest.approx(p99_ns, rel=0.001)
    # The same without the measured times of those who waited: by the stall's length alone.
    by_schedule_ns = ended_ns - began_ns - round((REQUESTS * 0.01) / RATE_PER_S * 1e9)
    assert p99_ns == pytest.approx(by_schedule_ns, rel=WITHIN)
    assert came.loop == came.as_dict()["loop"] == "open"


def test_the_closed_loop_does_not() -> None:
    connections = 4
    came, began_ns, ended_ns = sent_to_it(Closed(connections, REQUESTS), connections)
    stall_ns = ended_ns - began_ns
    assert came.service_ns.max() >= stall_ns
    # One on each connection waits for the stall's end; all who would have come meanwhile do not.
    hit = int((came.latency_ns > stall_ns / 2).sum())
    assert 1 <= hit <= connections < REQUESTS * 0.01
    p99_ns = came.percentile_ns(99)
    assert p99_ns is not None and p99_ns < stall_ns / 2
    assert came.loop == came.as_dict()["loop"] == "closed"
    assert any(each.startswith("closed loop: ") for each in came.warnings)
    assert came.offered_per_s is None and came.seed is None
