"""What happens inside the clients' processes, which are to have no numpy: see `load.record`.

The asker asks one thing after the other over a kept connection. It looks at what the load generator
keeps no books on: where the server says that the time went. Of the generator here is the check.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.harness.clock import now_ns
from benchmarks.harness.processes import named
from benchmarks.harness.sampler import no_collector
from benchmarks.load.request import Request
from benchmarks.servers.base import HOST, Server
from benchmarks.workloads.registry import asked

if TYPE_CHECKING:  # asv looks through the suites where the generator's packages may be missing
    from benchmarks.load.connection import Check, Headers

TIMEOUT_S = 60.0  # of a request
MOST_RECOLLECTED = 4  # times as many as are wanted: then something else is wrong
_PIECE_BYTES = 1 << 18
_TIMING = re.compile(r"([a-z-]+);dur=([0-9.]+)")


def drive(
    port: int,
    path: str,
    workload: str,
    count: int,
    seed: int = 0,
    warmup: int = 1,
    state: str | None = None,
    pause_s: float = 0.0,
    before: tuple[str, Mapping[str, Any]] | None = None,
    **served: Any,
) -> dict[str, Any]:
    """Asks for a workload, one request after the other, and checks every answer.

    The clock starts when the request is handed to the kernel and stops when its answer is there
    whole. Checking, pausing, connecting and what comes `before` are outside.

    Args:
        port, path: of the function.
        workload: and its variant, in the form of `asked`.
        count: requests that count.
        seed: of the request.
        warmup: requests before, which do not count.
        state: `x-aether-start` that answers must have: those with another one do not count, and
            are repeated. None where the server says nothing of it.
        pause_s: before each request.
        before: "module:function", called with these arguments before each request, after the
            pause.
        served: as `Workload.check` has it.

    Returns:
        What `samples_of` takes, of whose `starts` all answers are, and `timings`, in ns: what
        `Server-Timing` says of each.

    Raises:
        OSError, WrongAnswer, RuntimeError: a request failed, an answer was wrong, or the state did
            not come.
    """
    found, size = asked(workload)
    request = request_of(port, path, workload, seed)
    wire = request.wire()
    prepare = before and partial(named(before[0]), **before[1])
    latency_ns: list[int] = []
    timings: list[dict[str, float]] = []
    starts: Counter[str] = Counter()
    with no_collector(), closing(_Connection(port)) as connection:
        while len(latency_ns) < count:
            time.sleep(pause_s)
            connection.connect()
            if prepare:
                prepare()
            began_ns = now_ns()
            connection.send(wire)
            connection.receive()
            took_ns = now_ns() - began_ns
            headers = connection.headers
            found.check(size, seed, connection.status, headers, connection.body, **served)
            if warmup:
                warmup -= 1
                continue
            start = headers.get("x-aether-start")
            starts[start or "unknown"] += 1
            if state in (None, start):
                latency_ns.append(took_ns)
                told = _TIMING.findall(headers.get("server-timing", ""))
                timings.append({name: float(value) * 1e6 for name, value in told})
            elif (others := starts.total() - len(latency_ns)) > count * MOST_RECOLLECTED:
                raise RuntimeError(f"{others} answers, none of {state}: {dict(starts)}")
    return {
        "durations_ns": latency_ns,
        "timings": timings,
        "starts": dict(starts),
        "recollected": starts.total() - count,
        "payload_size_bytes": len(request.body),
    }


def ask_together(to: Server, workload: str, count: int) -> set[str]:
    """Asks so many times at once, from this process; gives the instances that answered.

    The server is held while the requests are sent, which must be small: it finds them all together,
    however long that takes.

    Raises:
        OSError, WrongAnswer: a request failed, or an answer was wrong.
    """
    found, size = asked(workload)
    wire = request_of(to.port, to.path, workload, 0).wire()
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(_Connection(to.port))) for _ in range(count)]
        for each in connections:  # so that the server knows them all
            each.connect()
            each.send(Request(HOST, to.port, to.probe()).wire())
            each.receive()
        os.kill(to.pid, signal.SIGSTOP)
        try:
            for each in connections:
                each.send(wire)
        finally:
            os.kill(to.pid, signal.SIGCONT)
        for each in connections:
            each.receive()
            found.check(size, 0, each.status, each.headers, each.body)
        told = {each.headers.get("x-aether-instance") for each in connections}
        return {instance for instance in told if instance}


def request_of(port: int, path: str, workload: str, seed: int) -> Request:
    """A workload's request to the function at that path."""
    found, size = asked(workload)
    method, below, headers, body = found.request(size, seed)
    return Request(HOST, port, path.rstrip("/") + below, method, tuple(headers.items()), body)


def answers(workload: str, seed: int) -> Check:
    """The check of a workload's answers. What they are compared with is made here, before the run.

    It labels an answer with its state and its instance, as the runtime says; with nothing where the
    server says nothing.
    """
    found, size = asked(workload)
    found.prepare(size, seed)

    def check(status: int, headers: Headers, body: bytes) -> str | None:
        told = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in headers}
        found.check(size, seed, status, told, body)
        start = told.get("x-aether-start")
        return start and f"{start} {told.get('x-aether-instance')}"

    return check


class _Connection:
    """A connection that is opened anew where the server has closed it."""

    _socket: socket.socket | None = None

    def __init__(self, port: int) -> None:
        self._address = HOST, port

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)

    def connect(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, wire: bytes) -> None:
        assert self._socket is not None
        self._whole = False
        self.headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._socket.sendall(wire)

    def receive(self) -> None:
        """Waits for the whole answer."""
        assert self._socket is not None
        import httptools  # here: asv looks through the suites where it may be missing

        parser = httptools.HttpResponseParser(self)
        while not self._whole:
            piece = self._socket.recv(_PIECE_BYTES)
            if not piece:
                raise ConnectionError("the server closed before its answer was whole")
            parser.feed_data(piece)
        self.status = parser.get_status_code()
        if self.headers.get("connection", "").lower() == "close":
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # The parser calls these.

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._whole = True
