"""The runtime beside other servers: ``python -m tools.serving [--rounds N] [--seconds S]``

Each round starts every server anew and asks each the same, one after the other in random order, by
wrk; the ratio is the median of the rounds' ratios. Prints the tables of docs/performance.md.
"""

from __future__ import annotations

import argparse
import http.client
import random
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil
from rich.progress import track

from benchmarks.baselines.servers import server
from benchmarks.baselines.servers.aetherless import Aetherless
from benchmarks.baselines.servers.base import HOST, Server
from benchmarks.harness.statistics import Floats, nearest_rank, ratio_interval, verdict
from benchmarks.harness.system_info import SystemInfo, environment
from tools import wrk
from tools.table import human_ns

FEWEST_ROUNDS = 6  # for an interval of 95 %
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
class Goal:
    """A ratio of the runtime's figure to another server's, and what it must be."""

    case: str
    figure: Figure
    other: str
    wanted: float
    at_least: bool


CASES = (
    Case("10 connections", "noop", 10, 0, ("aetherless", "uvicorn", "functions_framework")),
    Case("1 connection", "noop", 1, 0, ("aetherless", "uvicorn")),
    Case("1 MiB echoed", "echo", 4, 1 << 20, ("aetherless", "aetherless_proxied", "uvicorn")),
)
GOALS = (
    Goal("10 connections", "per_second", "uvicorn", 0.5, True),
    Goal("10 connections", "per_second", "functions_framework", 8.0, True),
    Goal("10 connections", "p99_us", "uvicorn", 3.0, False),
    Goal("1 connection", "p50_us", "uvicorn", 1.8, False),
    Goal("1 MiB echoed", "per_second", "aetherless_proxied", 2.0, True),
)
CONCURRENCY = 16
Found = dict[tuple[str, str], list[wrk.Load]]


def measure(rounds: int, seconds: int) -> Found:
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


def memory_growth(requests: int) -> tuple[int, int]:
    """Memory that is the orchestrator's alone, in bytes, before and after so many requests."""
    with Aetherless("noop", CONCURRENCY) as one:
        url = f"http://{HOST}:{one.port}{one.path}"

        def ask(at_least: int) -> None:
            asked = 0
            while asked < at_least:
                asked += wrk.run(url, 10, 2).requests

        ask(requests // 5)
        before = psutil.Process(one.pid).memory_full_info().uss
        ask(requests)
        return before, psutil.Process(one.pid).memory_full_info().uss


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
    lines += ["", "| | ratio [95 %] | wanted | verdict |", "|---|---|---|---|"]
    for goal in GOALS:
        if (goal.case, goal.other) not in found:
            continue
        ours, theirs = (
            [np.array([float(getattr(load, goal.figure))]) for load in found[goal.case, name]]
            for name in ("aetherless", goal.other)
        )
        ratio, low, high = ratio_interval(ours, theirs)
        said = (
            verdict(1 / high, 1 / low, 1 / goal.wanted)
            if goal.at_least
            else verdict(low, high, goal.wanted)
        )
        lines.append(
            f"| {goal.case}: {goal.figure} to {goal.other}'s | {ratio:.2f} [{low:.2f}, {high:.2f}]"
            f" | {'at least' if goal.at_least else 'at most'} {goal.wanted:g} | {said} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.serving",
        description="Measure the runtime beside other servers, by wrk.",
        allow_abbrev=False,
    )
    parser.add_argument("--rounds", type=int, default=6, metavar="N", help="6 or more; default 6")
    parser.add_argument("--seconds", type=int, default=4, metavar="S",
                        help="of load for each server and round; default 4")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds {options.rounds}: an interval needs at least {FEWEST_ROUNDS}")
    if options.seconds < 1:
        parser.error(f"--seconds {options.seconds}: give 1 or more")
    if why := wrk.missing():
        parser.exit(1, f"serving: {why}\n")
    info = SystemInfo.collect()
    found = measure(options.rounds, options.seconds)
    print(f"{info.cpu_model}, {info.cpu_cores} cores, Linux {info.kernel_version}; {environment()}")
    print("\n".join(table(found)))
    for start in ("zygote", "spawn"):
        samples = first_requests(start, 200 if start == "zygote" else 40)
        print(
            f"first request from zero, {start}, {len(samples)} of them:"
            f" p50 {human_ns(float(np.median(samples)))},"
            f" p99 {human_ns(nearest_rank(np.sort(samples), 99))}"
        )
    before, after = memory_growth(100_000)
    print(f"memory of the orchestrator: {before / 1e6:.1f} MB, after 100,000 requests more"
          f" {after / 1e6:.1f} MB")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
