"""One client that asks one thing after the other over a kept connection, in a process of its own.

It looks at what the load generator keeps no books on: in which state the instance was that
answered, and where the server says that the time went.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.harness.clock import now_ns
from benchmarks.harness.processes import Task, named, run_fresh
from benchmarks.harness.sampler import no_collector
from benchmarks.load.request import Request
from benchmarks.servers.base import HOST, Server
from benchmarks.workloads.registry import Workload, workload

_PIECE_BYTES = 1 << 18
_MOST_RECOLLECTED = 4  # times as many as are wanted: then something else is wrong
_TIMING = re.compile(r"([a-z-]+);dur=([0-9.]+)")
_STARTING_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked, of whom, and how often.

    Attributes:
        port, path: of the function.
        name, size: of the workload and its variant.
        count: requests that count.
        seed: of the request.
        warmup: requests before, which do not count.
        state: `x-aether-start` that answers must have: those with another one do not count, and
            are repeated. None where the server says nothing of it.
        pause_s: before each request.
        timeout_s: of each.
        before: "module:function", called with `before_arguments` before each request, after the
            pause.
        served: as `Workload.check` has it.
    """

    port: int
    path: str
    name: str
    size: str
    count: int
    seed: int = 0
    warmup: int = 1
    state: str | None = None
    pause_s: float = 0.0
    timeout_s: float = 60.0
    before: str | None = None
    before_arguments: Mapping[str, Any] = field(default_factory=dict)
    served: Mapping[str, Any] = field(default_factory=dict)


def ask(what: Asking) -> dict[str, Any]:
    """Asks for a workload from a fresh process, and checks every answer.

    The clock starts when the request is handed to the kernel and stops when its answer is there
    whole. Checking, pausing, connecting and what comes `before` are outside.

    Returns:
        `latency_ns`; `timings`, in ns, what `Server-Timing` says of each; `starts`, how many of
        all were answered in which state; `recollected`; `payload_size_bytes`.

    Raises:
        ChildFailedError: a request failed, an answer was wrong, or the state did not come.
        NotImplementedError, WatchdogError: as `processes.run_fresh`.
    """
    most = what.warmup + what.count * (1 + _MOST_RECOLLECTED)
    watchdog_s = _STARTING_S + most * (what.pause_s + what.timeout_s)
    return dict(run_fresh(Task(f"{__name__}:drive", asdict(what), None), watchdog_s))


def ask_together(to: Server, name: str, size: str, count: int) -> set[str]:
    """Asks so many times at once, each over a connection of its own, from this process.

    The server is held while they are sent: it finds them all together, however long that takes.

    Args:
        to: the server, which is up.
        name, size: of the workload and its variant, whose request is small.
        count: how many requests.

    Returns:
        The instances that answered, where the server names them.

    Raises:
        OSError: a request failed.
        WrongAnswer: an answer was wrong.
    """
    asked = workload(name)
    wire = request_of(HOST, to.port, to.path, asked, size, 0).wire()
    connections = [_Connection(HOST, to.port, _STARTING_S) for _ in range(count)]
    try:
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
            asked.check(size, 0, each.status, each.headers, each.body)
        told = {each.headers.get("x-aether-instance") for each in connections}
        return {instance for instance in told if instance}
    finally:
        for each in connections:
            each.close()


def request_of(host: str, port: int, path: str, asked: Workload, size: str, seed: int) -> Request:
    """A workload's request to the function at that path."""
    method, below, headers, body = asked.request(size, seed)
    return Request(host, port, path.rstrip("/") + below, method, tuple(headers.items()), body)


def drive(**arguments: Any) -> dict[str, Any]:
    """What `ask` does, inside its process; the arguments are those of `Asking`."""
    what = Asking(**arguments)
    asked = workload(what.name)
    request = request_of(HOST, what.port, what.path, asked, what.size, what.seed)
    wire = request.wire()
    latency_ns: list[int] = []
    timings: list[dict[str, float]] = []
    starts: Counter[str] = Counter()
    recollected = 0
    warmup = what.warmup
    prepare = None if what.before is None else named(what.before)
    connection = _Connection(HOST, what.port, what.timeout_s)
    with no_collector():
        while len(latency_ns) < what.count:
            time.sleep(what.pause_s)
            connection.connect()
            if prepare is not None:
                prepare(**what.before_arguments)
            began_ns = now_ns()
            connection.send(wire)
            connection.receive()
            took_ns = now_ns() - began_ns
            asked.check(
                what.size, what.seed,
                connection.status, connection.headers, connection.body,
                **what.served,
            )  # fmt: skip
            if warmup:
                warmup -= 1
                continue
            found = connection.headers.get("x-aether-start")
            starts[found or "unknown"] += 1
            if what.state is not None and found != what.state:
                recollected += 1
                if recollected > what.count * _MOST_RECOLLECTED:
                    raise RuntimeError(
                        f"{recollected} answers, none of {what.state}: {dict(starts)}"
                    )
                continue
            latency_ns.append(took_ns)
            timings.append(_timing(connection.headers))
    connection.close()
    return {
        "latency_ns": latency_ns,
        "timings": timings,
        "starts": dict(starts),
        "recollected": recollected,
        "payload_size_bytes": len(request.body),
    }


def _timing(headers: Mapping[str, str]) -> dict[str, float]:
    told = headers.get("server-timing", "")
    return {name: float(value) * 1e6 for name, value in _TIMING.findall(told)}


class _Connection:
    """A connection that is opened anew where the server has closed it."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._address, self._timeout_s = (host, port), timeout_s
        self._socket: socket.socket | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self._pieces: list[bytes] = []
        self._whole = False

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)

    def connect(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, self._timeout_s)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, wire: bytes) -> None:
        """Sends a request.

        Raises:
            OSError: the server does not take it.
        """
        assert self._socket is not None
        self._whole = False
        self.headers = {}
        self._pieces = []
        self._socket.sendall(wire)

    def receive(self) -> None:
        """Waits for the whole answer.

        Raises:
            ConnectionError: the server has closed before that.
            TimeoutError: it did not come in time.
        """
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

    # -- from the parser --

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        self._whole = True
