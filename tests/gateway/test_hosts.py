"""Requests that name a host which is not ours, as a page does whose name was made to lead here."""

from __future__ import annotations

import socket

from tests.gateway.conftest import Start
from tests.gateway.raw import Raw, get

REFUSED = {"message": "this host is not served: orchestrator.allowed_hosts says which"}


def named(host: str, path: str = "/healthz", version: str = "1.1") -> bytes:
    return f"GET {path} HTTP/{version}\r\nHost: {host}\r\n\r\n".encode()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def test_another_host_is_refused_everywhere(up: Start) -> None:
    trigger = free_port()
    runtime = up({"id": "who", "trigger_port": trigger})
    for port, path in (
        (runtime.port, "/function/who"), (runtime.port, "/metrics"), (runtime.port, "/healthz"),
        (runtime.port, "http://a.example/function/who"), (trigger, "/"),
    ):  # fmt: skip
        with Raw(port) as connection:
            connection.send(named("localhost" if path[0] == "h" else "a.example", path))
            answer = connection.answer()
            assert (answer.status, answer.json()) == (421, REFUSED), path
            assert answer.headers["connection"] == "close"
            connection.assert_closed()
    assert runtime.state()[0]["served"] == 0


def test_this_machines_names_are_served(up: Start) -> None:
    runtime = up({"id": "who"})
    with Raw(runtime.port) as connection:
        for host in ("localhost", "a.localhost:1", "127.0.0.1", "[::1]:80", ""):
            for _ in range(2):
                connection.send(named(host, "/function/who"))
                assert connection.answer().status == 200, host
        connection.send(named("a.example", "http://localhost/healthz"))  # the target's counts
        assert connection.answer().status == 200
    with Raw(runtime.port) as connection:
        connection.send(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.answer().status == 200


def test_the_list_is_what_holds_also_when_it_is_reloaded(up: Start) -> None:
    runtime = up({"id": "who"}, allowed_hosts=["a.example"])

    def status(host: str) -> int:
        with Raw(runtime.port) as connection:
            connection.send(named(host))
            return connection.answer().status

    assert [status(each) for each in ("a.example", "b.example", "localhost")] == [200, 421, 421]
    # Where it listens it can be asked, and its user's commands reach it.
    assert status(f"127.0.0.1:{runtime.port}") == 200
    assert runtime.run("invoke", "who").returncode == 0
    runtime.orchestrator["allowed_hosts"] = ["b.example"]
    runtime.write()
    assert runtime.run("reload").returncode == 0
    assert [status(each) for each in ("a.example", "b.example")] == [421, 200]


def test_all_may_be_allowed(up: Start) -> None:
    runtime = up({"id": "who"}, allowed_hosts=["*"])
    with Raw(runtime.port) as connection:
        connection.send(named("a.example") + get())
        assert connection.answer().status == connection.answer().status == 200
