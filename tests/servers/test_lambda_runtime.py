"""AWS's runtime client as a server: its instances, and the order in which requests are taken."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.servers.base import Server
from tests.servers.support import Client, able
from tests.start.support import gone

FUNCTION = """
import json, os, time
def handler(event, context):
    what, _, argument = event["rawPath"][1:].partition("/")
    if what == "raise":
        raise ValueError("x" * 600000)
    if what == "exit":
        os._exit(3)
    if what == "none":
        return {"statusCode": "soon"}
    if what == "wait":
        with open(f"/{argument}.begun", "a") as file:
            print(event["rawQueryString"], file=file)
        while not os.path.exists(f"/{argument}"):
            time.sleep(0.005)
    return {"pid": os.getpid(), "left_ms": context.get_remaining_time_in_millis(),
            "ids": [context.aws_request_id, event["requestContext"]["requestId"]],
            "event": event}
"""


@pytest.fixture(params=[2])
def served(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    (tmp_path / "odd_for_lambda.py").write_text(FUNCTION)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("AWS_LAMBDA_MAX_CONCURRENCY", "8")  # with which it would be another program
    one = able("lambda_runtime")("noop", request.param)
    one.handler = "odd_for_lambda:handler"
    with one:
        yield one


def ask(one: Server, path: str, status: int = 200) -> dict[str, object]:
    with Client(one) as client:
        found, _, body = client.ask("GET", path, {"x-a": "b", "cookie": "a=1; b=2"}, b"")
        assert found == status, body
        answer: dict[str, object] = json.loads(body)
        return answer


def instances(one: Server) -> set[int]:
    found = set()
    for process in psutil.Process(one.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "awslambdaric" in process.cmdline():
                found.add(process.pid)
    return found


class Asking(threading.Thread):
    """A request that is answered later."""

    def __init__(self, one: Server, path: str) -> None:
        super().__init__()
        self._one, self._path = one, path
        self.answer: dict[str, object] = {}
        self.start()

    def run(self) -> None:
        self.answer = ask(self._one, self._path)


def eventually(file: Path, lines: int) -> list[str]:
    """The file's lines, as soon as there are so many."""
    until = time.monotonic() + 30
    while not file.exists() or len(file.read_text().splitlines()) < lines:
        assert time.monotonic() < until, f"never {lines} lines in {file}"
        time.sleep(0.005)
    return file.read_text().splitlines()


def test_the_function_gets_an_event_of_an_http_api(served: Server) -> None:
    answer = ask(served, "/a%20b?c=d&c=e")
    event = answer["event"]
    assert isinstance(event, dict)
    assert (event["version"], event["rawPath"]) == ("2.0", "/a b")
    assert event["queryStringParameters"] == {"c": "d,e"}
    assert event["headers"]["x-a"] == "b"
    assert event["cookies"] == ["a=1", "b=2"]
    assert answer["pid"] in instances(served)
    ids = answer["ids"]
    assert isinstance(ids, list)
    assert ids[0] == ids[1]


def test_each_instance_has_one_request_at_a_time(served: Server, tmp_path: Path) -> None:
    held, begun = tmp_path / "go", tmp_path / "go.begun"
    asking = [Asking(served, f"/wait{held}?{number}") for number in range(5)]
    eventually(begun, 2)
    time.sleep(0.2)  # in which a third one would begin
    assert len(eventually(begun, 2)) == 2
    held.touch()
    for one in asking:
        one.join(60)
    assert {one.answer["pid"] for one in asking} == instances(served)
    assert sorted(eventually(begun, 5)) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("served", [1], indirect=True)
def test_requests_beyond_the_instances_wait_in_order(served: Server, tmp_path: Path) -> None:
    held, begun = tmp_path / "go", tmp_path / "go.begun"
    asking = [Asking(served, f"/wait{held}?0")]
    eventually(begun, 1)
    for number in range(1, 6):
        asking.append(Asking(served, f"/wait{held}?{number}"))
        time.sleep(0.2)  # until it is there
    held.touch()
    for one in asking:
        one.join(60)
    assert eventually(begun, 6) == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("what", ["raise", "none"])
def test_a_function_that_fails_is_answered_with_500_and_goes_on(served: Server, what: str) -> None:
    before = instances(served)
    for _ in range(3):
        assert ask(served, f"/{what}", 500) == {"message": "Internal Server Error"}
    assert ask(served, "/")["pid"] in before
    assert instances(served) == before


def test_an_instance_that_ends_is_replaced(served: Server) -> None:
    before = instances(served)
    for _ in range(3):
        assert ask(served, "/exit", 500) == {"message": "Internal Server Error"}
    up = ask(served, "/")["pid"]
    assert isinstance(up, int) and up not in before
    os.kill(up, signal.SIGKILL)
    until = time.monotonic() + 30
    while psutil.pid_exists(up) and time.monotonic() < until:
        time.sleep(0.01)
    assert ask(served, "/")["pid"] != up
    while len(instances(served)) != 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(instances(served)) == 2


def test_instances_end_with_a_front_that_is_killed(served: Server, tmp_path: Path) -> None:
    begun = tmp_path / "go.begun"
    with Client(served) as client:
        thread = threading.Thread(target=_lost, args=(client, f"/wait{tmp_path}/go"))
        thread.start()
        eventually(begun, 1)
        found = instances(served)
        os.kill(served.pid, signal.SIGKILL)
        assert all(gone(pid) for pid in found)
        thread.join(60)


def _lost(client: Client, path: str) -> None:
    with pytest.raises(OSError):
        client.ask("GET", path, {}, b"")
