"""Executables: real programs, what they may do wrong, and that nothing of them stays."""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import shutil
import signal
import socket
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start.base import Function
from aetherless_py.start.executable import Executable
from aetherless_py.start.http_instance import HttpInstance
from aetherless_py.start.pool import WarmPool
from aetherless_py.start.spawn import Spawn
from benchmarks.starts import http_handler
from tests.start.support import FUNCTIONS, descriptors, gone

SERVE = shlex.join(http_handler.program("odd:do", ""))
# Starts the server that answers and waits for it, as many programs are started.
WRAPPER = f"#!/bin/sh\n{SERVE} &\nwait\n"
# The same in a session of its own.
APART = f"#!/bin/sh\nsetsid -w {SERVE} &\nwait\n"
KILLS = int(os.environ.get("AETHERLESS_KILLS", "60"))
SEED = int(os.environ.get("AETHERLESS_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
MARK = "AETHER_TEST"


def _marked() -> list[psutil.Process]:
    """All that this test has started, wherever it hangs."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.environ().get(MARK) == str(os.getpid()):
                found.append(one)
    return found


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(MARK, str(os.getpid()))
    before = descriptors()
    yield
    assert all(gone(one.pid) for one in _marked())
    assert descriptors() == before


def _script(folder: Path, text: str, mode: int = 0o700) -> str:
    path = folder / "program"
    path.write_text(textwrap.dedent(text))
    path.chmod(mode)
    return str(path)


def _python(folder: Path, text: str) -> str:
    return _script(folder, f"#!{sys.executable}\n" + textwrap.dedent(text))


@contextlib.contextmanager
def _prepared(*command: str, ready_timeout_s: float = 30.0) -> Iterator[Executable]:
    with Executable() as made:
        made.prepare(Function(path=(FUNCTIONS,), ready_timeout_s=ready_timeout_s, command=command))
        yield made


def test_node_serves_http() -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node here; tools/install_runtimes.sh node brings it")
    with _prepared("node", os.path.join(FUNCTIONS, "handler.js")) as made:
        instances = [made.start() for _ in range(2)]
        for number, instance in enumerate(instances):
            assert isinstance(instance, HttpInstance)
            url = f"http://127.0.0.1:{instance.port}/a%2Fb?c=%20"
            with urllib.request.urlopen(url, data=b"%d" % number, timeout=60) as answer:
                assert answer.read() == b"%d" % number
                assert answer.headers["X-Asked"] == "POST /a%2Fb?c=%20"
            assert instance.invoke(b"x" * (1 << 20)) == b"x" * (1 << 20)
        instances[0].stop(grace_s=30)
        assert instances[0].status == 0  # it has ended by itself
        assert instances[1].invoke(b"on") == b"on"


@pytest.mark.parametrize("wrapper", [WRAPPER, APART], ids=["wrapper", "apart"])
def test_a_descendant_may_say_ready(tmp_path: Path, wrapper: str) -> None:
    with _prepared(_script(tmp_path, wrapper)) as made:
        instance = made.start()
        assert instance.invoke(b"print 100000") == b"printed"
        assert len(_marked()) > 1
        assert psutil.Process(instance.pid).children()
        instance.stop(grace_s=0)
        assert instance.status == -signal.SIGKILL


@pytest.mark.parametrize("wrapper", [WRAPPER, APART], ids=["wrapper", "apart"])
def test_kills_at_any_moment_leave_nothing(tmp_path: Path, wrapper: str) -> None:
    print("seed", SEED)
    moments = random.Random(SEED)
    killed = 0

    def kill() -> None:
        nonlocal killed
        if victims := [one for one in _marked() if one.pid not in guards]:
            with contextlib.suppress(psutil.NoSuchProcess):
                moments.choice(victims).kill()
                killed += 1

    with _prepared(_script(tmp_path, wrapper)) as made:
        guards = {one.pid for one in psutil.Process().children()}
        began = time.monotonic()
        made.start().stop(grace_s=0)
        takes_s = time.monotonic() - began
        for _ in range(KILLS // 3):
            killer = threading.Timer(takes_s * moments.random(), kill)
            killer.start()
            with contextlib.suppress(errors.StartError):
                made.start().stop(grace_s=0)
            killer.join()
            assert all(gone(one.pid) for one in _marked() if one.pid not in guards)
        assert made.start().invoke(b"print 0") == b"printed"
    assert killed


def test_a_stranger_cannot_say_ready(tmp_path: Path) -> None:
    go = tmp_path / "go"
    program = f"""
        import os, socket, time
        def connect():
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(os.environ["AETHER_SOCKET"])
            return connection
        with open({str(tmp_path / "new")!r}, "w") as file:
            file.write(os.environ["AETHER_SOCKET"])
        os.rename({str(tmp_path / "new")!r}, {str(tmp_path / "socket")!r})
        while not os.path.exists({str(go)!r}):
            time.sleep(0.01)
        connection = connect()
        connection.send(b"READY")
        connection.recv(1)
        """
    turned_away: list[bytes] = []

    def intrude() -> None:
        """From this process, which is an ancestor of the instance."""
        while not (tmp_path / "socket").exists():
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.settimeout(60)
            stranger.connect((tmp_path / "socket").read_text())
            with contextlib.suppress(ConnectionError):
                stranger.send(b"READY")
            try:
                turned_away.append(stranger.recv(1))
            except ConnectionResetError:
                turned_away.append(b"")
        go.touch()

    thread = threading.Thread(target=intrude, daemon=True)
    with _prepared(_python(tmp_path, program)) as made:
        thread.start()
        instance = made.start()
        assert instance.alive
        assert turned_away == [b""]
        instance.stop(grace_s=30)
        assert instance.status == 0
    thread.join()


def test_a_program_that_never_says_ready_is_killed(tmp_path: Path) -> None:
    program = _script(tmp_path, "#!/bin/sh\necho still here\nsleep 600 & wait\n")
    with (
        _prepared(program, ready_timeout_s=1.0) as made,
        pytest.raises(errors.StartTimeoutError, match="still here"),
    ):
        made.start()


@pytest.mark.parametrize("said", ["READYREADY", "HELLO"])
def test_a_program_that_says_something_else_is_killed(tmp_path: Path, said: str) -> None:
    program = f"""
        import os, socket, time
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(os.environ["AETHER_SOCKET"])
        connection.send({said.encode()!r})
        time.sleep(600)
        """
    with (
        _prepared(_python(tmp_path, program)) as made,
        pytest.raises(errors.HandshakeError, match="this one said"),
    ):
        made.start()


def test_a_program_that_says_ready_again_is_killed(tmp_path: Path) -> None:
    program = """
        import os, socket
        from http.server import BaseHTTPRequestHandler, HTTPServer
        runtime = socket.socket(socket.AF_UNIX)
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                runtime.send(b"READY")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
        server = HTTPServer(("127.0.0.1", int(os.environ["AETHER_TRIGGER_PORT"])), Handler)
        runtime.connect(os.environ["AETHER_SOCKET"])
        runtime.send(b"READY")
        server.serve_forever()
        """
    with _prepared(_python(tmp_path, program)) as made:
        instance = made.start()
        assert instance.invoke(b"") == b""
        with pytest.raises(errors.InstanceGoneError, match="spoke without being asked"):
            instance.invoke(b"")
        assert gone(instance.pid)


def test_a_program_that_ends_at_once_says_why(tmp_path: Path) -> None:
    program = _script(tmp_path, "#!/bin/sh\necho not today >&2\nexit 3\n")
    match = r"exit status 3\); it printed last:\nnot today"
    with _prepared(program) as made, pytest.raises(errors.StartError, match=match):
        made.start()


def test_what_cannot_be_executed_is_said_when_it_is_prepared(tmp_path: Path) -> None:
    for program in (_script(tmp_path, WRAPPER, 0o600), "/no/such/program", "no-such-program"):
        with (
            pytest.raises(errors.StartError, match="can be executed"),
            _prepared(program),
        ):
            pass


def test_a_file_that_is_no_program_is_an_error_of_its_start(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF and no more")
    path.chmod(0o700)
    with _prepared(str(path)) as made, pytest.raises(errors.StartError, match="Exec format"):
        made.start()


def test_a_program_that_prints_a_lot_before_it_is_ready(tmp_path: Path) -> None:
    text = f"#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x\necho the end\nexec {SERVE}\n"
    with _prepared(_script(tmp_path, text)) as made:
        instance = made.start()
        assert instance.invoke(b"print 0") == b"printed"
        assert "the end" in instance.output
        assert len(instance.output) <= 65536


def test_executables_can_be_kept_warm(tmp_path: Path) -> None:
    with WarmPool(Executable(), size=2, restore_timeout_ms=None) as pool:
        pool.prepare(
            Function(path=(FUNCTIONS,), command=(_script(tmp_path, WRAPPER),), ready_timeout_s=60)
        )
        assert pool.start(timeout_s=60).invoke(b"print 0") == b"printed"


def test_a_strategy_says_which_functions_it_does_not_start() -> None:
    with Executable() as made, pytest.raises(errors.FunctionError, match="has no command"):
        made.prepare(Function("odd:do"))
    with Spawn() as other, pytest.raises(errors.FunctionError, match="node x has no handler"):
        other.prepare(Function(command=("node", "x")))
