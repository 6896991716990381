"""One conformance suite over the ways of serving a workload: each answers, and goes again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from benchmarks.harness.registry import modules
from benchmarks.servers import SERVERS, server
from benchmarks.servers.aetherless import Aetherless, AetherlessProxied
from benchmarks.servers.base import HOST, ROOT, Server, ServerError
from benchmarks.starts import _oci
from benchmarks.workloads.registry import WORKLOADS
from tests.servers.support import SEED, WATCHDOG_S, Client, able, listens
from tests.start.support import gone


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> type[Server]:
    return able(request.param)


def test_each_file_of_the_folder_is_one_and_is_in_the_document() -> None:
    found = modules("benchmarks.servers")
    assert not [why for why in found.values() if isinstance(why, str)]
    assert {server(name).__module__ for name in SERVERS} == {
        f"benchmarks.servers.{name}" for name in found
    }
    told = (ROOT / "docs/servers.md").read_text()
    assert all(f"\n| `{name}` | " in told for name in SERVERS)
    with pytest.raises(ValueError, match=f"no server 'x': {', '.join(SERVERS)}"):
        server("x")


MINE = """
from benchmarks.servers.http_handler import HttpHandler
class Mine(HttpHandler):
    name = "mine"
"""
ASKS = """
from benchmarks.servers import SERVERS, server
with server("mine")("noop") as one:
    print("mine" in SERVERS, *one.ask("GET", "/"))
"""


def test_a_file_is_enough(tmp_path: Path) -> None:
    package = tmp_path / "benchmarks"
    shutil.copytree(ROOT / "benchmarks/servers", package / "servers")
    for each in (ROOT / "benchmarks").iterdir():
        if each.name != "servers":
            (package / each.name).symlink_to(each)
    (package / "servers/mine.py").write_text(MINE)
    asks = [sys.executable, "-c", ASKS]
    done = subprocess.run(asks, cwd=tmp_path, capture_output=True, text=True, timeout=WATCHDOG_S)
    assert done.stdout == "True 200 b'{}'\n", done.stderr


def test_noop_is_answered(kind: type[Server]) -> None:
    with kind("noop") as one, Client(one) as client:
        for _ in range(3):
            client.check("noop", "empty")
        port = one.port
        assert listens(port)
    assert not listens(port)


def test_what_is_installed_is_measured_and_not_what_lies_beside_the_benchmarks(
    kind: type[Server],
) -> None:
    with kind("noop") as one:
        for entry in psutil.Process(one.pid).environ()["PYTHONPATH"].split(os.pathsep):
            assert not (Path(entry) / "aetherless_py").exists()


@pytest.mark.parametrize("runtime", [Aetherless, AetherlessProxied])
def test_what_is_installed_is_measured_and_not_what_lies_here(
    runtime: type[Aetherless], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "aetherless_py").mkdir()
    (tmp_path / "aetherless_py" / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    monkeypatch.chdir(tmp_path)
    with runtime("noop") as one, Client(one) as client:
        client.check("noop", "empty")


def test_a_connection_ends_where_its_client_wants_it_so(kind: type[Server]) -> None:
    with kind("noop") as one, socket.create_connection((HOST, one.port), WATCHDOG_S) as client:
        client.sendall(
            b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % one.path.encode()
        )
        answer = b""
        while more := client.recv(1 << 16):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"{}")


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


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("uvicorn", "uvloop"),
        ("container", "uvicorn"),
        ("lambda_runtime", "awslambdaric"),
        ("lambda_runtime", "orjson"),
    ],
)
def test_a_module_that_is_missing_is_named_with_the_remedy(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    why = server(name).missing()
    assert why == f"{module} is not installed; python tools/install_peers.py brings it"


def test_a_program_that_is_missing_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    _oci._found.cache_clear()
    try:
        why = server("container").missing()
    finally:
        _oci._found.cache_clear()
    assert why is not None
    assert "root" in why or ("crun is not installed" in why and "packages" in why)
    why = server("functions_framework").missing()
    assert why is not None and "functions-framework is not installed" in why
