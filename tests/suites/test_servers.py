"""One conformance suite over the ways of serving a workload: each answers, and goes again."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from benchmarks.baselines.servers import SERVERS, server
from benchmarks.baselines.servers.base import HOST, Server, ServerError
from benchmarks.workloads.registry import WORKLOADS, workload
from tests.start.support import gone
from tests.suites.starts.support import leaves_nothing

SEED = 11
WATCHDOG_S = 60.0


@pytest.fixture(autouse=True)
def nothing_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    tmp_path_factory.getbasetemp()
    with leaves_nothing(monkeypatch):
        yield


def able(name: str) -> type[Server]:
    """The server of that name; skips where this machine lacks what it needs."""
    kind = server(name)
    if why := kind.missing():
        pytest.skip(f"{name}: {why}")
    return kind


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> type[Server]:
    return able(request.param)


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


def test_noop_is_answered(kind: type[Server]) -> None:
    with kind("noop") as one, Client(one) as client:
        for _ in range(3):
            client.check("noop", "empty")
        port = one.port
        assert listens(port)
    assert not listens(port)


def test_bodies_come_back_as_they_were(kind: type[Server]) -> None:
    sizes = WORKLOADS["echo"].variants
    with kind("echo") as one, Client(one) as client:
        for variant in sizes:
            if sizes[variant] in (1 << 10, 1 << 16, 1 << 20):
                client.check("echo", variant)
        client.check("echo", "bytes=1024", SEED + 1)


def test_as_many_at_once_as_it_takes_and_more(kind: type[Server]) -> None:
    concurrency, count = 4, 10
    begin = threading.Barrier(count)
    with kind("sleep", concurrency) as one, ThreadPoolExecutor(count) as threads:

        def ask(number: int) -> None:
            with Client(one) as client:
                begin.wait(WATCHDOG_S)
                for round in range(3):
                    client.check("010.sleep", "ms=10", SEED + count * round + number)

        list(threads.map(ask, range(count)))


def test_after_an_exception_it_goes_on(kind: type[Server]) -> None:
    with kind("sleep") as one:
        with Client(one) as client:
            status, _, _ = client.ask("POST", "/", {"content-type": "application/json"}, b"none")
            assert 500 <= status <= 599
        with Client(one) as client:
            client.check("010.sleep", "ms=1")


def test_what_cannot_be_served_is_an_error_with_its_reason(kind: type[Server]) -> None:
    try:
        with kind("no_such_workload") as one, Client(one) as client:
            # The runtime starts an executable when it is asked for it, and not before.
            assert kind.name == "aetherless_proxied"
            status, _, _ = client.ask("GET", "/", {}, b"")
            assert 500 <= status <= 599
    except ServerError as error:
        assert "no_such_workload" in str(error)


# What is left of a runtime that was killed is for its own tests.
@pytest.mark.parametrize("name", [name for name in SERVERS if not name.startswith("aetherless")])
def test_nothing_is_left_of_one_whose_first_process_is_killed(name: str) -> None:
    with able(name)("noop", 2) as one:
        family = psutil.Process(one.pid).children(recursive=True)
        os.kill(one.pid, signal.SIGKILL)
        assert gone(one.pid)
    assert all(gone(process.pid) for process in family)
    assert not listens(one.port)


def test_nobodys_own_settings_count(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = able("functions_framework")
    monkeypatch.setenv("FUNCTION_SIGNATURE_TYPE", "cloudevent")  # to which a request is none
    with kind("noop") as one, Client(one) as client:
        client.check("noop", "empty")
        given = psutil.Process(one.pid).environ()
    assert not set(kind.settings) & set(given)
