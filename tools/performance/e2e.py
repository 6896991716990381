"""End to end: the load generator by itself, and the experiments that goals are about.

Each trial runs once in each round, with a server and a client in fresh processes, in the order
given here; what it holds against each other is measured right after each other. A round with a
failure ends the program. From a round in which the generator was late nothing can be concluded: the
goal that it belongs to is not shown then, and a line says in how many rounds it was so.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from rich.progress import track

from benchmarks.experiments import trials
from benchmarks.harness.noop_server import noop_server
from benchmarks.harness.processes import available_cpus
from benchmarks.harness.statistics import (
    Floats,
    enough_beyond,
    median_of_medians,
    nearest_rank,
)
from benchmarks.load.ceiling import attempt
from tools.performance.goal import HEAD, Goal, as_ratio
from tools.table import human_ns

RATE_PER_S = 5000.0
RUN_S = 2.0
LAG = Goal("generator, 5,000/s at a constant rate to a server in C, lag p99", 1e6)

# Trials, and how many samples of each case: 1000 carry a p99 in each round.
ECHO, CHAIN = "payload_echo_bytes65536", "chain_8"
HALF = "load_curve_noop_empty_load50_aetherless"  # the trial, and its only case
SAMPLES = {ECHO: 1000, CHAIN: 200, HALF: 1000}
OURS, PROXIED = f"{ECHO}_aetherless", f"{ECHO}_aetherless_proxied"
TAIL, HOPS = "chain_chain_bytes1024_tail_8", "chain_chain_bytes1024_http_8"
P50 = Goal("warm echo of 64 KiB, shared memory to proxied HTTP, p50", 0.5)
P99 = Goal("the same, p99", 0.5)
CHAINED = Goal("chain of 8, 1 KiB, over shared memory to HTTP hops", 0.2)
TAIL_TO_MEDIAN = Goal("warm noop at half of its capacity, p99 to median", 4.0)


def measure(rounds: int) -> list[str]:
    """All goals; gives lines of Markdown.

    Raises:
        NotImplementedError: a trial cannot be had here.
        RuntimeError: requests failed.
    """
    by_name = {trial.name: trial for trial in trials(quick=False)}
    lags: list[Floats] = []
    samples: dict[str, list[Floats]] = {}
    late: Counter[str] = Counter()
    cpus = available_cpus()
    for i in track(range(rounds), "rounds"):
        with noop_server(cpus[-1]) as port:
            run = attempt(port, RATE_PER_S, RUN_S, cpus[0])
        _all_right(LAG.name, run.failed)
        lags.append(np.array([run.lag_p99_ns]))
        for name, count in SAMPLES.items():
            trial = by_name[name]
            if why := trial.missing():
                raise NotImplementedError(why)
            for case, outcome in trial.run(count, i).items():
                _all_right(case, sum(outcome.failures.values()))
                late[case] += any(doubt.startswith("invalid") for doubt in outcome.doubts)
                samples.setdefault(case, []).append(np.sort(outcome.samples_ns))
    tails = {name: [_p99(block) for block in samples[name]] for name in (OURS, PROXIED, HALF)}
    lines = ["| | p50 | p99 of a round |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {human_ns(median_of_medians(blocks))} | {_shown_p99(blocks)} |"
        for name, blocks in samples.items()
    ]
    ratios = [
        tail / np.median(block) for tail, block in zip(tails[HALF], samples[HALF], strict=True)
    ]
    rows = [
        *lines,
        "",
        *HEAD,
        LAG.of_blocks(lags, human_ns),
        P50.of_ratio(samples[OURS], samples[PROXIED]),
        P99.of_ratio(tails[OURS], tails[PROXIED]),
        CHAINED.of_ratio(samples[TAIL], samples[HOPS]),
        TAIL_TO_MEDIAN.of_blocks(ratios, as_ratio, shown=not late[HALF]),
    ]
    if late[HALF]:
        rows += ["", f"At half of the capacity the generator was late in {late[HALF]} rounds."]
    return rows


def _all_right(what: str, failed: int) -> None:
    if failed:
        raise RuntimeError(f"{what}: {failed} requests failed; nothing can be said of the others")


def _p99(ordered: Floats) -> Floats:
    return np.array([nearest_rank(ordered, 99)])


def _shown_p99(blocks: list[Floats]) -> str:
    if not enough_beyond(min(map(len, blocks)), 99):
        return "-"
    return human_ns(median_of_medians([_p99(block) for block in blocks]))
