"""What one fresh process measures of one strategy: starts, each of a new instance, proven cold.

Every start is one that its strategy has had time for: what it keeps at hand is there again.
"""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Any

from aetherless_py.errors import StartError, StrategyMissingError
from aetherless_py.start import STRATEGIES, strategy
from aetherless_py.start.base import Function, Strategy
from aetherless_py.start.criu import Criu
from aetherless_py.start.instance import Instance
from aetherless_py.start.pool import WarmPool
from benchmarks.harness import page_cache as caching
from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.sampler import no_collector, sample_set

FUNCTIONS = str(Path(__file__).resolve().parents[1] / "adapters")
IMPORTS = {
    "bare": (),
    "http": ("http.server", "json"),
    "numpy": ("numpy",),
    "web": ("PIL.Image", "jinja2"),
}
REQUEST = payload_of(64)
POOLED = "zygote"  # what fills the warm pool
READY_TIMEOUT_S = 60.0
WARMUP = 1  # bursts before those that count: the measuring process's own code is new, too


def function_of(imports: str, ballast_mb: int) -> Function:
    """The function with so much to import and so much memory."""
    return Function(
        "cold:echo",
        IMPORTS[imports],
        (FUNCTIONS,),
        {"AETHER_BALLAST_MB": str(ballast_mb)},
        READY_TIMEOUT_S,
    )


def starts(
    name: str, imports: str, burst: int, ballast_mb: int, page_cache: str, count: int
) -> dict[str, Any]:
    """Measures starts by one strategy.

    The clock starts when the burst is asked for; it stops, for each instance, when READY is heard
    (`ready`), and when the first answer has been heard (`first_response`), which is checked. Both
    are read in the process that asks. Preparing, stopping and refilling are outside.

    Args:
        name: of the strategy.
        imports: a key of `IMPORTS`.
        burst: how many are asked for at the same time.
        ballast_mb: memory of the function beside its modules.
        page_cache: "hot", or "dropped": emptied before each burst, as far as nobody uses it.
        count: how many instances, a multiple of `burst`.

    Returns:
        `sets`: a `sample_set` for `ready`, `first_response` and each phase that the strategy has,
        for bursts `last_ready`, one sample a burst, and `dump`, one sample; `facts`: what preparing
        took and made.

    Raises:
        NotImplementedError: this machine cannot.
        StartError: an instance did not start, or was not what it ought to be.
    """
    if page_cache == "dropped" and (lacks := caching.missing()) is not None:
        raise NotImplementedError(lacks)
    wanted_bytes = burst * (ballast_mb << 20)
    if wanted_bytes > _available_bytes() // 2:
        raise NotImplementedError(
            f"{wanted_bytes >> 20} MB of ballast are too much for this machine's memory"
        )
    made = _made(name, burst)
    if why := made.missing():
        raise NotImplementedError(f"{name}: {why}")
    bursts: list[list[dict[str, int]]] = []
    seen: set[str] = set()
    with made:
        began_ns = time.monotonic_ns()
        try:
            made.prepare(function_of(imports, ballast_mb))
        except StrategyMissingError as missing:
            raise NotImplementedError(str(missing)) from None
        facts = {"prepare_ns": time.monotonic_ns() - began_ns, **_facts(made)}
        for _ in range(WARMUP + count // burst):
            made.settle(READY_TIMEOUT_S)
            if page_cache == "dropped":
                caching.drop()
            with no_collector():
                bursts.append(_burst(made, burst, seen))
        del bursts[:WARMUP]
    found = [each for together in bursts for each in together]
    samples = {
        kind: [each[kind] for each in found]
        for kind in found[0]
        if all(kind in each for each in found)
    }
    if burst > 1:
        samples["last_ready"] = [max(each["ready"] for each in together) for together in bursts]
    if "dump_ns" in facts:
        samples["dump"] = [facts["dump_ns"]]
    cost_ns = clock_cost_ns()
    return {
        "sets": {
            kind: sample_set(durations, 1, "per_operation", cost_ns)
            for kind, durations in samples.items()
        },
        "facts": facts,
    }


def _available_bytes() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _made(name: str, burst: int) -> Strategy:
    if name == "warm_pool":
        return WarmPool(strategy(POOLED), size=burst, restore_timeout_ms=None)
    if name in STRATEGIES:
        return strategy(name)
    from benchmarks.starts import baseline

    return baseline(name)


def _facts(made: Strategy) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if isinstance(made, Criu):
        facts["snapshot_bytes"] = made.snapshot.size_bytes
        facts["dump_ns"] = made.snapshot.dump_ns
    if isinstance(made, WarmPool):
        facts["source"] = POOLED
    if runtime := getattr(made, "runtime", None):  # of a container
        facts["runtime"] = runtime
    return facts


def _burst(made: Strategy, burst: int, seen: set[str]) -> list[dict[str, int]]:
    """So many starts at the same time; the durations of each."""
    instances: list[Instance] = []
    failures: list[BaseException] = []
    go = threading.Barrier(burst)
    asked: list[int] = []

    def start() -> None:
        try:
            go.wait()
            asked.append(time.monotonic_ns())
            instance = made.start()
            instances.append(instance)
            if instance.invoke(REQUEST) != REQUEST:
                raise StartError(f"{made.name}: the first answer is not what was sent")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(burst - 1)]
    for thread in threads:
        thread.start()
    start()
    for thread in threads:
        thread.join()
    try:
        if failures:
            raise failures[0]
        found = [_durations(instance, min(asked)) for instance in instances]
        for instance in instances:
            _prove_cold(instance, seen)
    finally:
        for instance in instances:
            instance.stop(grace_s=0)
    return found


def _durations(instance: Instance, asked_ns: int) -> dict[str, int]:
    phases = instance.phases
    moments = {
        "created": phases.created_ns,
        "interpreter": phases.interpreter_ns,
        "imported": phases.imported_ns,
        "ready": phases.ready_ns,
        "first_response": phases.first_response_ns,
    }
    return {kind: at - asked_ns for kind, at in moments.items() if at is not None}


def _prove_cold(instance: Instance, seen: set[str]) -> None:
    """Makes sure that nobody had this instance before, and that its process was started for this.

    The kernel's word, since what a process remembers of its start may come from an image.

    Raises:
        StartError: it is not so.
    """
    if instance.id in seen or instance.invocations != 1:
        raise StartError(f"{instance.mode}: an instance was handed out twice")
    seen.add(instance.id)
    if instance.mode == "warm_pool":  # made before, on purpose; used by nobody
        return
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    offset_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    asked_ticks = (instance.phases.asked_ns + offset_ns) * ticks_a_second // 1_000_000_000
    _, _, fields = Path(f"/proc/{instance.pid}/stat").read_text().rpartition(") ")
    if int(fields.split()[19]) < asked_ticks:
        raise StartError(f"{instance.mode}: the process is older than the start")
