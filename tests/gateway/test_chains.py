"""Chains: an answer that names another function is that one's request."""

from __future__ import annotations

import http.client
import os
import re
import shlex
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.servers import uvicorn
from benchmarks.servers.base import ROOT
from tests.gateway.conftest import Start
from tests.gateway.crowd import Crowd
from tests.gateway.raw import Raw, assert_unharmed, get
from tests.gateway.test_slow import reset
from tests.gateway.up import WATCHDOG_S, Answer, Up, eventually

BINARY = {"content-type": "x/binary"}
TEXT = {"content-type": "text/plain"}


def _link(name: str, following: str = "", **more: Any) -> dict[str, Any]:
    environment = {"NEXT": following} if following else {}
    environment |= more.pop("environment", {})
    return {"id": name, "handler_path": "links:link", "environment": environment, **more}


def _chain(count: int, **more: Any) -> list[dict[str, Any]]:
    """f0, which passes on to f1, and so on."""
    return [
        _link(f"f{number}", f"f{number + 1}" if number + 1 < count else "", **more)
        for number in range(count)
    ]


def _executable(folder: Path) -> str:
    """`links:link` as an executable that is proxied."""
    program = folder / "link"
    words = shlex.join(uvicorn.program("links:link"))
    program.write_text(f"#!/bin/sh\nPYTHONPATH=$PYTHONPATH:{ROOT} exec {words}\n")
    program.chmod(0o700)
    return str(program)


def _assert_hops(answer: Answer, hops: int) -> None:
    assert "x-aether-next" not in {name.lower() for name in answer.headers}
    assert answer.headers.get("x-aether-hops") == (str(hops) if hops else None)


def _times(seen: Path) -> int:
    return len(seen.read_text().split()) if seen.exists() else 0


def _counted(runtime: Up) -> dict[tuple[str, str], int]:
    """How many requests /metrics has of each function, by status."""
    counted: dict[tuple[str, str], int] = {}
    text = runtime.ask("/metrics").body.decode()
    for line in re.findall(r"aetherless_requests_total(\{.*\} .*)", text):
        labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
        key = labels["function"], labels["status"]
        counted[key] = counted.get(key, 0) + int(float(line.split()[-1]))
    return counted


# -- what goes well --------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["zygote", "spawn"])
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_bodies_pass_intact(up: Start, count: int, start: str) -> None:
    runtime = up(*_chain(count), start=start)
    for size_bytes in (0, 1 << 10, 1 << 20):
        data = os.urandom(size_bytes)
        answer = runtime.ask("/function/f0", data, headers=BINARY)
        assert (answer.status, answer.body) == (200, data)
        assert answer.headers["content-type"] == "x/binary"
        _assert_hops(answer, count - 1)
    assert _counted(runtime) == {(f"f{number}", "200"): 3 for number in range(count)}
    assert [each["served"] for each in runtime.state()] == [3] * count
    assert_unharmed(runtime)


def test_what_the_next_one_is_asked(up: Start) -> None:
    runtime = up(_link("first", "event"), {"id": "event"}, allowed_hosts=["there"])
    headers = {
        "content-type": "text/plain", "x-forwarded-for": "192.0.2.1", "cookie": "a=b",
        "x-mine": "1", "host": "there:1",
    }  # fmt: skip
    answer = runtime.ask("/function/first/a/b?c=d", b"hello", "PUT", headers)
    event = answer.json()
    assert (event["rawPath"], event["rawQueryString"], event["body"]) == ("/", "", "hello")
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["requestId"] == answer.headers["x-aether-request-id"]
    assert event["requestContext"]["domainName"] == "there"
    assert event["headers"] == {
        "content-type": "text/plain", "content-length": "5", "host": "there:1",
        "x-forwarded-for": "192.0.2.1, 127.0.0.1", "x-forwarded-host": "there:1",
        "x-forwarded-proto": "http",
    }  # fmt: skip
    assert "cookies" not in event


def test_times_and_instance_are_those_of_the_last(up: Start) -> None:
    runtime = up(*_chain(2))
    assert runtime.ask("/function/f1").headers["x-aether-start"] == "zygote"
    answer = runtime.ask("/function/f0")
    assert answer.headers["x-aether-start"] == "warm"  # the first one was not
    [instance] = runtime.instances(1)
    assert answer.headers["x-aether-instance"] == instance["id"]
    assert "start-ready" not in answer.headers["server-timing"]
    # The start of the first one, which took longest, is no part of it.
    phases = dict(re.findall(r"([a-z-]+);dur=([0-9.]+)", answer.headers["server-timing"]))
    text = runtime.ask("/metrics").body.decode()
    found = re.search(r'aetherless_queue_seconds_sum\{function="f0"\} (\S+)', text)
    assert found
    assert float(phases["gateway"]) + float(phases["queue"]) < float(found[1]) * 1e3


def test_head_is_answered_without_a_body(up: Start) -> None:
    runtime = up(_link("first", "noop"), {"id": "noop"})
    answer = runtime.ask("/function/first", method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "2")
    _assert_hops(answer, 1)


@pytest.mark.parametrize("places", [(1,), (0,), (2,), (0, 1, 2)])
def test_executables_are_links_as_others_are(
    up: Start, tmp_path: Path, places: tuple[int, ...]
) -> None:
    functions = _chain(3)
    for place in places:
        functions[place] |= {"handler_path": _executable(tmp_path), "concurrency": 4}
    runtime = up(*functions)
    for size_bytes in (0, 1 << 10, 1 << 20):
        data = os.urandom(size_bytes)
        answer = runtime.ask("/function/f0", data, headers=BINARY)
        assert (answer.status, answer.body) == (200, data), runtime.stderr()
        assert answer.headers["content-type"] == "x/binary"
        _assert_hops(answer, 2)
    assert_unharmed(runtime)


@pytest.mark.parametrize("names", [("a",), ("a", "b")])
def test_the_one_instance_is_visited_again_and_again(up: Start, names: tuple[str, ...]) -> None:
    one = {"handler_path": "links:down", "concurrency": 1, "max_instances": 1}
    runtime = up(
        *(
            {"id": name, "environment": {"NEXT": names[(at + 1) % len(names)]}, **one}
            for at, name in enumerate(names)
        )
    )
    with ThreadPoolExecutor(8) as clients:
        answers = list(
            clients.map(lambda _: runtime.ask("/function/a", b"9", headers=TEXT), range(8))
        )
    for answer in answers:
        assert (answer.status, answer.json()["body"]) == (200, "0")
        _assert_hops(answer, 9)
    assert [len(runtime.instances(at)) for at in range(len(names))] == [1] * len(names)
    assert sum(each["served"] for each in runtime.state()) == 80


def test_requests_of_one_connection_are_answered_in_their_order(up: Start) -> None:
    runtime = up(*_chain(4), {"id": "echo"})
    wanted = []
    with Raw(runtime.port) as connection:
        for number in range(30):
            name = ("f0", "echo", "f2")[number % 3]
            wanted.append((f"{number}".encode(), {"f0": 3, "echo": 0, "f2": 1}[name]))
            connection.send(get(f"/function/{name}", method="POST", body=wanted[-1][0]))
        for body, hops in wanted:
            answer = connection.answer()
            assert (answer.status, answer.body) == (200, body)
            _assert_hops(answer, hops)


def test_many_at_a_time_are_not_mixed_up(up: Start) -> None:
    runtime = up(*_chain(4, concurrency=2, max_instances=2))
    local = threading.local()

    def ask(client: int) -> str:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(
                "127.0.0.1", runtime.port, timeout=WATCHDOG_S
            )
        own = os.urandom(1000)
        local.connection.request("POST", "/function/f0", own, BINARY)
        response = local.connection.getresponse()
        assert (response.status, response.read()) == (200, own)
        return "answered"

    with Crowd(ask, 12) as crowd:
        crowd.more(600)
    assert not crowd.wrong, crowd.wrong
    assert_unharmed(runtime)


# -- what is no chain ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 404, 500])
@pytest.mark.parametrize("kind", ["python", "executable"])
def test_other_answers_than_good_ones_are_the_answer(
    up: Start, tmp_path: Path, status: int, kind: str
) -> None:
    first = _link("first", "noop", environment={"STATUS": str(status)})
    if kind == "executable":
        first["handler_path"] = _executable(tmp_path)
    runtime = up(first, {"id": "noop"})
    answer = runtime.ask("/function/first", b"whole")
    assert (answer.status, answer.body) == (status, b"whole")
    _assert_hops(answer, 0)
    assert [each["served"] for each in runtime.state()] == [1, 0]


@pytest.mark.parametrize("status", [201, 204])
def test_every_2xx_is_good(up: Start, status: int) -> None:
    runtime = up(_link("first", "noop", environment={"STATUS": str(status)}), {"id": "noop"})
    answer = runtime.ask("/function/first", b"x")
    assert (answer.status, answer.body) == (200, b"{}")
    _assert_hops(answer, 1)


def test_a_client_cannot_name_the_next(up: Start) -> None:
    runtime = up({"id": "event"}, {"id": "noop"})
    headers = {"x-aether-next": "noop", "x-aether-hops": "7"}
    answer = runtime.ask("/function/event", b"x", headers=headers)
    assert answer.json()["rawPath"] == "/"
    _assert_hops(answer, 0)
    assert [each["served"] for each in runtime.state()] == [1, 0]


# -- what goes wrong on the way --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["none", "", "event ", "event, event", "\xe9", "x" * 5000])
def test_a_next_function_that_there_is_not(up: Start, name: str) -> None:
    first = _link("first", environment={"NEXT": name})
    runtime = up(first, {"id": "event"})
    answer = runtime.ask("/function/first", b"x")
    assert answer.status == 502
    shown = repr(name)[:80]
    assert answer.json() == {"message": f"first names as next {shown}: no such function"}
    _assert_hops(answer, 0)
    assert runtime.ask("/function/first").status == 502
    assert len(runtime.instances()) == 1  # which is not to blame
    assert _counted(runtime) == {("first", "502"): 2}


@pytest.mark.parametrize(("hops", "status"), [(32, 200), (33, 502), (10_000, 502)])
def test_a_loop_ends(up: Start, hops: int, status: int) -> None:
    runtime = up({"id": "f", "handler_path": "links:down", "environment": {"NEXT": "f"}})
    answer = runtime.ask("/function/f", str(hops).encode(), headers=TEXT)
    assert answer.status == status
    _assert_hops(answer, 32)
    if status == 502:
        assert answer.json() == {"message": "f names a next after 32 hops: a loop?"}
    counted = {("f", "200"): 32, ("f", str(status)): 1}
    assert _counted(runtime) == (counted if status == 502 else {("f", "200"): 33})


@pytest.mark.parametrize(
    ("what", "status", "end"),
    [("raise", 500, {}), ("vanish", 502, {"crash": 1}), ("sleep", 504, {"timeout": 1})],
)
@pytest.mark.parametrize("kind", ["python", "executable"])
def test_a_link_that_fails_is_the_answer(
    up: Start, tmp_path: Path, what: str, status: int, end: dict[str, int], kind: str
) -> None:
    functions = _chain(3, timeout_ms=60_000)
    seen = [tmp_path / f"seen-{at}" for at in range(3)]
    for function, path in zip(functions, seen, strict=True):
        function["environment"]["SEEN"] = str(path)
    functions[1]["environment"]["DO"] = what
    functions[1]["timeout_ms"] = 1500
    if kind == "executable":
        functions[1]["handler_path"] = _executable(tmp_path)
    runtime = up(*functions)
    answer = runtime.ask("/function/f0", b"x")
    assert answer.status == status
    _assert_hops(answer, 1)
    assert [_times(path) for path in seen] == [1, 1, 0]  # nothing is repeated
    eventually(lambda: runtime.state()[1]["counts"] == {"started": 1, **end})
    assert _counted(runtime) == {("f0", "200"): 1, ("f1", str(status)): 1}
    assert runtime.ask("/function/f2", b"x").status == 200


def test_a_full_queue_on_the_way_refuses(up: Start, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    last = _link(
        "last", environment={"AFTER": str(go), "SEEN": str(seen)}, max_instances=1
    )  # fmt: skip
    runtime = up(_link("first", "last"), last, queue_limit=0)
    with ThreadPoolExecutor(1) as clients:
        try:
            held = clients.submit(runtime.ask, "/function/last")
            eventually(seen.exists)
            answer = runtime.ask("/function/first")
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            _assert_hops(answer, 1)
        finally:
            go.touch()
        assert held.result().status == 200


def test_a_client_that_goes_away_ends_its_chain(up: Start, tmp_path: Path) -> None:
    go, seen = tmp_path / "go", tmp_path / "seen"
    runtime = up(
        _link("first", "last", environment={"AFTER": str(go), "SEEN": str(seen)}), _link("last")
    )
    assert runtime.ask("/function/last").status == 200  # so that it could answer at once
    here = psutil.Process(runtime.process.pid)
    with Raw(runtime.port) as connection:
        address = connection.socket.getsockname()
        connection.send(get("/function/first", method="POST", body=b"x"))
        eventually(seen.exists)
        reset(connection)
    eventually(lambda: address not in [each.raddr for each in here.net_connections()])
    go.touch()
    eventually(lambda: ("first", "200") in _counted(runtime))
    assert [each["served"] for each in runtime.state()] == [1, 1]
    assert runtime.ask("/function/first").status == 200
    assert_unharmed(runtime)


# -- reload and the end ----------------------------------------------------------------------------


class Held:
    """A chain of three whose first function waits for a file."""

    def __init__(self, up: Start, folder: Path, **orchestrator: Any) -> None:
        self.go, seen = folder / "go", folder / "seen"
        functions = _chain(3)
        functions[0]["environment"] |= {"AFTER": str(self.go), "SEEN": str(seen)}
        self.runtime = up(*functions, **orchestrator)
        self._clients = ThreadPoolExecutor(1)
        self.asked: Future[Answer] = self._clients.submit(self.runtime.ask, "/function/f0", b"x")
        eventually(seen.exists)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, *_: object) -> None:
        self.go.touch()
        self._clients.shutdown()


def test_after_a_reload_it_goes_on_with_the_new_ones(up: Start, tmp_path: Path) -> None:
    with Held(up, tmp_path) as held:
        held.runtime.functions[0]["timeout_ms"] = 20_000
        held.runtime.functions[2]["environment"]["OWN"] = "new"
        held.runtime.write()
        assert "changed: f0, f2;" in held.runtime.run("reload").stdout
        held.go.touch()
        answer = held.asked.result()
    assert (answer.status, answer.body, answer.headers["x-own"]) == (200, b"x", "new")
    _assert_hops(answer, 2)


def test_a_function_that_a_reload_has_removed_is_none(up: Start, tmp_path: Path) -> None:
    with Held(up, tmp_path) as held:
        del held.runtime.functions[2]
        held.runtime.write()
        assert "removed: f2" in held.runtime.run("reload").stdout
        held.go.touch()
        answer = held.asked.result()
    assert answer.status == 502
    assert answer.json() == {"message": "f1 names as next 'f2': no such function"}
    _assert_hops(answer, 1)


@pytest.mark.slow
def test_reloads_lose_no_chain(up: Start) -> None:
    runtime = up(*_chain(3, max_instances=2))

    def ask(client: int) -> str:
        own = os.urandom(100)
        answer = runtime.ask("/function/f0", own, headers=BINARY)
        assert (answer.status, answer.body) == (200, own), answer.body
        return answer.headers["x-own"]

    with Crowd(ask, 4) as crowd:
        for number in range(4):
            crowd.more(30)
            for function in runtime.functions:
                function["environment"]["OWN"] = str(number)
            runtime.write()
            assert runtime.run("reload").returncode == 0
        crowd.more(30)
    assert not crowd.wrong, crowd.wrong
    assert {"0", "1", "2", "3"} <= set(crowd.heard)


def test_what_is_under_way_goes_to_its_end_before_the_runtime_does(
    up: Start, tmp_path: Path
) -> None:
    with Held(up, tmp_path, shutdown_timeout_s=60) as held:
        kept = http.client.HTTPConnection("127.0.0.1", held.runtime.port, timeout=WATCHDOG_S)
        kept.request("GET", "/healthz")
        assert kept.getresponse().read()
        held.runtime.process.send_signal(signal.SIGTERM)
        eventually(lambda: "ending" in _said(held.runtime))
        kept.request("GET", "/function/f1")  # a client's own requests are not taken any more
        refused = kept.getresponse()
        assert (refused.status, refused.getheader("retry-after")) == (503, "1")
        kept.close()
        held.go.touch()
        answer = held.asked.result()
        assert (answer.status, answer.body) == (200, b"x")
        _assert_hops(answer, 2)
        assert held.runtime.process.wait(WATCHDOG_S) == 0


def _said(runtime: Up) -> str:
    """What it has told who started it; waits for more."""
    assert runtime.process.stdout is not None
    runtime.said.append(runtime.process.stdout.readline())
    return "".join(runtime.said)


def test_one_that_takes_too_long_does_not_hold_up_the_end(up: Start, tmp_path: Path) -> None:
    with Held(up, tmp_path, shutdown_timeout_s=0.5) as held:
        held.runtime.process.send_signal(signal.SIGTERM)
        assert held.asked.result().status == 502
        assert held.runtime.process.wait(WATCHDOG_S) == 0
