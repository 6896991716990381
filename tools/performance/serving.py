"""The runtime beside other servers, all asked by wrk.

Each round starts every server anew and asks each the same, one after the other in random order.
"""

from __future__ import annotations

import http.client
import random
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil
from rich.progress import track

from benchmarks.harness.statistics import Floats, nearest_rank
from benchmarks.servers import server
from benchmarks.servers.aetherless import Aetherless
from benchmarks.servers.base import HOST, Server
from tools import wrk
from tools.performance.goal import HEAD, Goal
from tools.table import human_ns

SECONDS = 2  # of load for each server and round
SEED = 20261125
Figure = Literal["per_second", "p50_us", "p99_us"]


@dataclass(frozen=True, slots=True)
class Case:
    """One load, and the servers that get it."""

    name: str
    workload: str
    connections: int
    body_bytes: int
    servers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of the runtime's figure to another server's, and what it must be."""

    case: str
    figure: Figure
    other: str
    bound: float
    at_least: bool

    @property
    def goal(self) -> Goal:
        name = f"{self.case}: {self.figure} to {self.other}'s"
        return Goal(name, self.bound, self.at_least)


CASES = (
    Case(
        "10 connections", "noop", 10, 0, ("aetherless", "uvicorn", "granian", "functions_framework")
    ),
    Case("1 connection", "noop", 1, 0, ("aetherless", "uvicorn", "granian")),
    Case("1 MiB echoed", "echo", 4, 1 << 20, ("aetherless", "aetherless_proxied", "uvicorn")),
)
RATIOS = (
    Ratio("10 connections", "per_second", "uvicorn", 0.5, True),
    Ratio("10 connections", "per_second", "functions_framework", 8.0, True),
    Ratio("10 connections", "p99_us", "uvicorn", 3.0, False),
    Ratio("1 connection", "p50_us", "uvicorn", 1.8, False),
    Ratio("1 MiB echoed", "per_second", "aetherless_proxied", 2.0, True),
)
CONCURRENCY = 16
FIRST_REQUESTS = 200  # of each round
ONE_P50 = Goal("1 connection: p50", 250e3)
FIRST_P50 = Goal("first request from zero, zygote, http stack, p50", 2e6)
FIRST_P99 = Goal("the same, p99 of each round", 6e6)
# What the smallest of Python's objects takes, which is the least that a request could leave behind.
# What is kept once, and pages that come and go, are less than so much for each of so many.
GROWTH = Goal("memory of the orchestrator", 16.0)
MORE_REQUESTS = 100_000
Found = dict[tuple[str, str], list[wrk.Load]]


def load(rounds: int, seconds: int) -> Found:
    """All cases; (case, server) to what wrk saw in each round."""
    found: Found = {}
    order = random.Random(SEED)
    for _ in track(range(rounds), "rounds"):
        for case in CASES:
            names = [name for name in case.servers if server(name).missing() is None]
            order.shuffle(names)
            with ExitStack() as stack:
                up = {
                    name: stack.enter_context(server(name)(case.workload, CONCURRENCY))
                    for name in names
                }
                for name, one in up.items():
                    _ask(one, case, 1)  # not counted: what is made at the first requests
                    found.setdefault((case.name, name), []).append(_ask(one, case, seconds))
    return found


def _ask(one: Server, case: Case, seconds: int) -> wrk.Load:
    load = wrk.run(
        f"http://{HOST}:{one.port}{one.path}", case.connections, seconds, case.body_bytes
    )
    if load.failed:
        raise RuntimeError(f"{one.name}: {load.failed} of {load.requests} requests failed")
    return load


def first_requests(start: str, count: int) -> Floats:
    """Latencies of first requests from zero in ns, of a function that imports the HTTP stack."""
    imports = ["http.server", "json"]
    samples = []
    with Aetherless("noop", orchestrator={"start": start}, keep_alive_s=0, imports=imports) as one:
        for _ in range(count):
            time.sleep(0.05)  # the instance before is gone, what it used up is there again
            connection = http.client.HTTPConnection(HOST, one.port)
            connection.connect()
            began_ns = time.monotonic_ns()
            connection.request("GET", one.path)
            response = connection.getresponse()
            response.read()
            samples.append(time.monotonic_ns() - began_ns)
            if response.headers["x-aether-start"] != start:
                raise RuntimeError(f"not from zero, but {response.headers['x-aether-start']}")
            connection.close()
    return np.array(samples, dtype=float)


def memory_growth(at_least: int) -> tuple[int, int, int]:
    """Whether memory that is the orchestrator's alone grows.

    Args:
        at_least: how many requests to send.

    Returns:
        How many were sent, and the memory in bytes before and after them.
    """
    with Aetherless("noop", CONCURRENCY) as one:
        url = f"http://{HOST}:{one.port}{one.path}"

        def ask(at_least: int) -> int:
            asked = 0
            while asked < at_least:
                asked += wrk.run(url, 10, 2).requests
            return asked

        ask(at_least // 5)  # what is kept once is there then
        before = psutil.Process(one.pid).memory_full_info().uss
        asked = ask(at_least)
        return asked, before, psutil.Process(one.pid).memory_full_info().uss


def growth_row(requests: int, before: int, after: int) -> str:
    """A row of `table`: what each request left behind.

    Args:
        requests: that were sent between two looks.
        before, after: the memory at each, in bytes.
    """
    each = (after - before) / requests
    return (
        f"| {GROWTH.name}, before and after {requests:,} requests more | {before / 1e6:.1f} MB,"
        f" {after / 1e6:.1f} MB: {_bytes_each(each)} | {GROWTH.wanted(_bytes_each)}"
        f" | {GROWTH.verdict(each, each)} |"
    )


def _bytes_each(count: float) -> str:
    return f"{count:.0f} bytes a request"


def table(found: Found) -> list[str]:
    """Lines of Markdown: what was measured, and the goals."""
    lines = ["| load | server | requests/s | p50 | p99 |", "|---|---|---:|---:|---:|"]
    for (case, name), loads in found.items():
        median = {
            figure: float(np.median([getattr(load, figure) for load in loads]))
            for figure in ("per_second", "p50_us", "p99_us")
        }
        lines.append(
            f"| {case} | {name} | {median['per_second']:,.0f} | {human_ns(median['p50_us'] * 1e3)}"
            f" | {human_ns(median['p99_us'] * 1e3)} |"
        )
    lines += ["", *HEAD]
    for ratio in RATIOS:
        if (ratio.case, ratio.other) in found:
            ours, theirs = (
                [np.array([float(getattr(load, ratio.figure))]) for load in found[ratio.case, name]]
                for name in ("aetherless", ratio.other)
            )
            lines.append(ratio.goal.of_ratio(ours, theirs))
    one = [np.array([load.p50_us * 1e3]) for load in found["1 connection", "aetherless"]]
    lines.append(ONE_P50.of_blocks(one, human_ns))
    return lines


def measure(rounds: int) -> list[str]:
    """All of it; gives lines of Markdown.

    Raises:
        NotImplementedError: wrk is missing.
    """
    if why := wrk.missing():
        raise NotImplementedError(why)
    lines = table(load(rounds, SECONDS))
    first = [first_requests("zygote", FIRST_REQUESTS) for _ in range(rounds)]
    p99 = [np.array([nearest_rank(np.sort(samples), 99)]) for samples in first]
    lines += [
        FIRST_P50.of_blocks(first, human_ns),
        FIRST_P99.of_blocks(p99, human_ns),
    ]
    lines.append(growth_row(*memory_growth(MORE_REQUESTS)))
    return lines
