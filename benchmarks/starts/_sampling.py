"""What one fresh process measures of one way: starts, each of a new instance, proven cold.

Every start is one that the way has had time for: what it keeps at hand is there again.
"""

from __future__ import annotations

import os
import re
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness.clock import clock_cost_ns
from benchmarks.harness.payload import payload_of
from benchmarks.harness.sampler import no_collector
from benchmarks.harness.samples import Samples
from benchmarks.starts import way
from benchmarks.starts.base import MOMENTS, PROGRAMS, Function, Instance, StartError, Way

IMPORTS = {
    "bare": (),
    "http": ("http.server", "json"),
    "numpy": ("numpy",),
    "web": ("PIL.Image", "jinja2"),
}
REQUEST = payload_of(64)
SETTLE_TIMEOUT_S = 60.0
WARMUP = 1  # bursts before those that count: the measuring process's own code is new, too


def function_of(imports: str, ballast_mb: int) -> Function:
    """The function with so much to import and so much memory."""
    environment = {"AETHER_BALLAST_MB": str(ballast_mb)}
    return Function("cold:echo", IMPORTS[imports], (PROGRAMS,), environment)


def starts(
    strategy: str, imports: str, burst: int, ballast_mb: int, page_cache: str, count: int
) -> dict[str, Samples]:
    """Measures starts by one way.

    The clock starts when the burst is asked for; it stops, for each instance, when READY is heard
    (`ready`), and when the first answer has been heard (`first_response`), which is checked. Both
    are read in the process that asks. Preparing, stopping and refilling are outside.

    Args:
        strategy: the way's name.
        imports: a key of `IMPORTS`.
        burst: how many are asked for at the same time.
        ballast_mb: memory of the function beside its modules.
        page_cache: "hot", or "dropped": emptied before each burst, as far as nobody uses it.
        count: how many instances, rounded to whole bursts, one at least.

    Returns:
        `Samples` for `ready`, `first_response` and each phase that the way tells, for bursts
        `last_ready`, one sample a burst, and `dump`, one sample, where it takes an image; each with
        what is to be known of the round.

    Raises:
        NotImplementedError: this machine cannot.
        StartError: an instance did not start, or was not what it ought to be.
    """
    drop = _dropping() if page_cache == "dropped" else lambda: None
    wanted_bytes = burst * (ballast_mb << 20)
    if wanted_bytes > _available_bytes() // 2:
        raise NotImplementedError(
            f"{wanted_bytes >> 20} MB of ballast are too much for this machine's memory"
        )
    bursts: list[list[dict[str, int]]] = []
    seen: set[int] = set()
    with way(strategy)(burst) as made:
        began_ns = time.monotonic_ns()
        made.prepare(function_of(imports, ballast_mb))
        facts = {"prepare_ns": time.monotonic_ns() - began_ns, **made.facts}
        for _ in range(WARMUP + max(1, count // burst)):
            made.settle(SETTLE_TIMEOUT_S)
            drop()
            with no_collector():
                bursts.append(_burst(made, burst, seen))
    del bursts[:WARMUP]
    found = [each for together in bursts for each in together]
    durations = {
        kind: [each[kind] for each in found]
        for kind in MOMENTS
        if all(kind in each for each in found)
    }
    facts["phases"] = {
        f"{kind}_ns": statistics.median(taken_ns) for kind, taken_ns in durations.items()
    }
    if burst > 1:
        durations["last_ready"] = [max(each["ready"] for each in together) for together in bursts]
    if "dump_ns" in facts:
        durations["dump"] = [facts["dump_ns"]]
    cost_ns = clock_cost_ns()
    return {
        kind: Samples(durations_ns=taken_ns, clock_cost_ns=cost_ns, facts=facts)
        for kind, taken_ns in durations.items()
    }


def _dropping() -> Callable[[], None]:
    from benchmarks.harness import page_cache  # which takes a while to import

    if lacks := page_cache.missing():
        raise NotImplementedError(lacks)
    return page_cache.drop


def _available_bytes() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def _burst(made: Way, burst: int, seen: set[int]) -> list[dict[str, int]]:
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
        for instance in instances:
            _prove_cold(made, instance, seen)
        return [_durations(instance, min(asked)) for instance in instances]
    finally:
        for instance in instances:
            instance.stop()


def _durations(instance: Instance, asked_ns: int) -> dict[str, int]:
    return {
        kind: moment_ns - asked_ns for kind, moment_ns in instance.phases.items() if kind != "asked"
    }


def _prove_cold(made: Way, instance: Instance, seen: set[int]) -> None:
    """Makes sure that nobody had this instance before, and that its process was started for this.

    The kernel's word, since what a process remembers of its start may come from an image.

    Raises:
        StartError: it is not so.
    """
    if instance.pid in seen or instance.invocations != 1:
        raise StartError(f"{made.name}: an instance was handed out twice")
    seen.add(instance.pid)
    if made.ahead:  # made before, on purpose; used by nobody
        return
    ticks_a_second = os.sysconf("SC_CLK_TCK")
    offset_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    asked_ticks = (instance.phases["asked"] + offset_ns) * ticks_a_second // 1_000_000_000
    _, _, fields = Path(f"/proc/{instance.pid}/stat").read_text().rpartition(") ")
    if int(fields.split()[19]) < asked_ticks:
        raise StartError(f"{made.name}: the process is older than the start")
