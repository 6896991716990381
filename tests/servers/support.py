"""What the tests of the ways of serving have in common."""

from __future__ import annotations

import contextlib
import http.client
import socket

import pytest

from benchmarks.servers import server
from benchmarks.servers.base import HOST, Server
from benchmarks.workloads.registry import workload

SEED = 11
WATCHDOG_S = 60.0


def able(name: str) -> type[Server]:
    """The server of that name; skips where this machine lacks what it needs."""
    kind = server(name)
    if why := kind.missing():
        pytest.skip(f"{name}: {why}")
    return kind


class Client(contextlib.AbstractContextManager["Client"]):
    """One connection, kept between requests."""

    def __init__(self, to: Server) -> None:
        self._to = to
        self._connection = http.client.HTTPConnection(HOST, to.port, timeout=WATCHDOG_S)

    def ask(
        self, method: str, below: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        path = self._to.path.rstrip("/") + below
        self._connection.request(method, path, body or None, headers)
        answer = self._connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def check(self, name: str, variant: str, seed: int = SEED) -> None:
        """Asks as the workload says, and compares the answer."""
        found = workload(name)
        found.check(variant, seed, *self.ask(*found.request(variant, seed)))

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
