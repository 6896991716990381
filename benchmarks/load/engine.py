"""What happens inside the process of a run: uvloop, no garbage collector, one thread."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import resource
import signal
import socket
import time
from array import array
from collections.abc import Mapping
from typing import Any

with contextlib.suppress(ImportError):  # asv imports this file also where it is missing
    import uvloop

from benchmarks.harness.clock import now_ns
from benchmarks.harness.processes import named
from benchmarks.harness.system_info import steal_seconds
from benchmarks.load import outcomes
from benchmarks.load.client import Client
from benchmarks.load.closed_loop import ClosedLoop
from benchmarks.load.connection import Check, succeeded
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.record import Record
from benchmarks.load.request import Request

START_AFTER_NS = 20_000_000  # the first intended start is so far ahead that it can be met
SPARE_FILES = 64
END_EARLY = signal.SIGUSR1  # begins no more, and ends when those under way have ended


def drive(**arguments: Any) -> dict[str, Any]:
    """One run: the target of `processes.run_fresh`, whose arguments `run.run` makes.

    Returns:
        What `result.LoadResult` is made of.

    Raises:
        ValueError: this process may not open so many connections.
        OSError: the host has no address, or the connections before the run cannot be opened.
    """
    _allow_files(arguments["most_connections"] + SPARE_FILES)
    gc.collect()
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        came = runner.run(_run(**arguments))
    signal.signal(END_EARLY, signal.SIG_IGN)  # the loop, which obeyed it, is closed
    return came


async def _run(
    request: dict[str, Any],
    intended: str | None,
    closed: dict[str, Any] | None,
    check: str | None,
    check_arguments: dict[str, Any] | None,
    timeout_s: float,
    most_connections: int,
    connections_before: int,
) -> dict[str, Any]:
    asked = Request(**{**request, "body": base64.b64decode(request["body"])})
    loop = asyncio.get_running_loop()
    address = await _address(asked)
    record = _record(intended, closed)
    done: asyncio.Future[None] = loop.create_future()
    client = Client(
        address=address,
        wire=asked.wire(),
        check=check_of(check, check_arguments),
        record=record,
        most_connections=most_connections,
        timeout_ns=round(timeout_s * 1e9),
        tls=asked.context(),
        server_name=asked.host,
        ended=lambda: driver.ended(),
    )
    driver: OpenLoop | ClosedLoop
    if closed is None:
        driver = OpenLoop(client, record, done)
    else:
        driver = ClosedLoop(client, record, closed["connections"], closed["duration_s"], done)
    try:
        await client.warm_up(connections_before)
        stolen_s, preempted = steal_seconds(), _preempted()
        used_s = time.process_time()  # which, unlike getrusage, is right in short runs, too
        began_ns = now_ns() + (START_AFTER_NS if closed is None else 0)
        began_at_ns = time.time_ns() + began_ns - now_ns()
        driver.start(began_ns)
        loop.add_signal_handler(END_EARLY, driver.stop)
        await done
        elapsed_ns = now_ns() - began_ns
        used_s = time.process_time() - used_s
        preempted = _preempted() - preempted
    finally:
        driver.close()
        await client.close()
    return {
        "record": record.packed(driver.sent),
        "labels": list(record.labels),
        "began_ns": began_ns,
        "began_at_ms": began_at_ns // 1_000_000,
        "elapsed_ns": elapsed_ns,
        "connections_opened": client.opened,
        "resent": client.resent,
        "why": {outcomes.name(outcome): why for outcome, why in client.why.items()},
        "steal_seconds": steal_seconds() - stolen_s,
        "cpu_seconds": used_s,
        "preempted": preempted,
    }


def check_of(check: str | None, arguments: Mapping[str, Any] | None = None) -> Check:
    """The check that "module:function" names, or makes of the arguments; any 2xx for None.

    Raises:
        ImportError, AttributeError: there is none.
    """
    if check is None:
        return succeeded
    found = named(check)
    made: Check = found if arguments is None else found(**arguments)
    return made


def _record(intended: str | None, closed: dict[str, Any] | None) -> Record:
    if intended is None:
        assert closed is not None
        return Record(closed["count"])
    starts = array("q", base64.b64decode(intended))
    record = Record(len(starts))
    record.intended_ns = starts
    return record


async def _address(asked: Request) -> tuple[str, int]:
    """Looked up once, before the run; IPv4 where there is both."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            asked.address or asked.host, asked.port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:  # the latter of what is no name at all
        raise OSError(f"host {asked.host}: no address is found: {error}") from error
    found.sort(key=lambda each: each[0] != socket.AF_INET)
    place = found[0][4]
    return str(place[0]), int(place[1])


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and count > hard:
        raise ValueError(f"{count} descriptors are needed, the limit of this process is {hard}")
    if soft != resource.RLIM_INFINITY and count > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def _preempted() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
