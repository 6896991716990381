"""Nobody but the same user reaches what a runtime has; a function reaches only what is its own."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from tests.gateway.conftest import Start
from tests.gateway.raw import Raw, get
from tests.gateway.up import eventually

HOSTILE = {"id": "poke", "handler_path": "hostile:poke"}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_what_lies_in_the_file_system_is_the_users_alone(up: Start) -> None:
    runtime = up({"id": "who"})
    assert runtime.ask("/function/who").status == 200
    control = runtime.runtime_folder / f"{runtime.port}.sock"
    assert mode(runtime.runtime_folder) == 0o700
    assert stat.S_ISSOCK(control.lstat().st_mode) and mode(control) == 0o600
    own = runtime.runtime_folder / str(runtime.process.pid)
    assert mode(own) == 0o700
    for folder in (runtime.folder / "logs").rglob("."):
        assert folder == runtime.folder / "logs" or mode(folder) == 0o700

    # The channels have no names that anybody could open.
    assert not list(Path("/dev/shm").glob(f"aetherless-{runtime.process.pid}-*"))


def test_another_user_reaches_nothing(up: Start, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    runtime = up({"id": "noop"})
    runtime.ask("/function/noop")
    # As if the way there were open: the folder itself must refuse.
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(tmp_path.parents[2]) and folder != tmp_path.parents[2]:
            folder.chmod(folder.stat().st_mode | 0o011)
    runtime.folder.chmod(0o755)
    program = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
for attempt in (
    lambda: client.connect(sys.argv[1]),
    lambda: os.listdir(os.path.dirname(sys.argv[1])),
    lambda: os.kill(int(sys.argv[2]), 0),
    lambda: os.open(f"/proc/{sys.argv[2]}/mem", os.O_RDONLY),
    lambda: os.listdir(f"/proc/{sys.argv[2]}/fd"),
):
    try:
        attempt()
    except PermissionError:
        print("refused")
    else:
        print("reached")
"""
    control = runtime.runtime_folder / f"{runtime.port}.sock"
    assert control.exists()
    found = subprocess.run(
        # Not the environment's interpreter: nobody may be unable to execute it.
        [os.path.realpath(sys.executable) if os.access("/root", os.X_OK) else "python3", "-c",
         program, str(control), str(runtime.process.pid)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["refused"] * 5, found.stdout


def test_it_listens_on_this_machine_only(up: Start) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runtime = up({"id": "noop", "trigger_port": port}, {"id": "who"})
    runtime.ask("/function/who")
    runtime.ask("/", port=port)
    listening = {
        connection.laddr
        for process in [psutil.Process(runtime.process.pid), *runtime.processes()]
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", runtime.port), ("127.0.0.1", port)}


def test_a_handlers_headers_cannot_end_their_line(up: Start) -> None:
    runtime = up({"id": "does"})
    for value in ("a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\r\n\r\nHTTP/1.1 200 OK", "a\0b"):
        with Raw(runtime.port) as connection:
            connection.send(get(f"/function/does?do=header&value={quote(value)}") + get())
            answer = connection.answer()
            assert answer.status == 502 and "x-injected" not in answer.headers
            assert connection.answer().body == b'{"status":"ok"}'
    assert len(runtime.instances()) == 1


def message(*lines: str, body: str = "") -> bytes:
    """An answer as it goes through the channel, whatever stands in it."""
    head = "\n".join(lines).encode("latin-1")
    return len(head).to_bytes(4, "little") + head + body.encode("latin-1")


def poke(what: str, value: bytes = b"") -> bytes:
    return get(f"/function/poke?do={what}&value={value.hex()}")


def test_a_function_that_writes_its_own_answers_injects_nothing(up: Start) -> None:
    runtime = up(HOSTILE, {"id": "noop"})
    answers = [
        b"",
        b"\xff" * 100,
        message("200", "0", "ok")[:-1],
        message("200", "0"),
        message("OK", "0", "ok"),
        message("100", "0", "ok"),
        message("600", "0", "ok"),
        message("200", "0", "fine"),
        message("200", "0", "ok", "no header"),
        message("200", "0", "ok", ": value"),
        message("200", "0", "ok", "x: a\rX-Injected: 1"),
        message("200", "0", "ok", "x: a\0b"),
        message("200", "0", "ok", "Content-Length: 3"),
        message("200", "0", "ok", "content-length : 3"),
        message("200", "0", "ok", " folded: 1"),
        message("200", "0", "ok", "x\tinjected: 1"),
        message("200", "0", "ok", "\xe9: 1"),
    ]
    for answer in answers:
        with Raw(runtime.port) as connection:
            connection.send(poke("answer", answer) + get())
            found = connection.answer()
            assert found.status == 502, (answer, found)
            assert not {"x-injected", "folded", "x: a"} & set(found.headers)
            assert connection.answer().body == b'{"status":"ok"}'
    # The worker has answered those requests, too: an answer too many ends the instance.
    eventually(lambda: runtime.ask("/function/poke").status == 200)
    # Names of the gateway's own headers, and those of the connection, are left out of a good one.
    own = ["connection: close", "content-length: 3", "transfer-encoding: chunked", "x-own: 1"]
    own += ["x-aether-instance: forged", "date: forged", "x-aether-request-id: forged"]
    with Raw(runtime.port) as connection:
        connection.send(poke("answer", message("200", "0", "ok", *own, body="12345")))
        found = connection.answer()
        assert (found.status, found.body, found.headers["x-own"]) == (200, b"12345", " 1")
        assert "forged" not in str(found.headers) and "transfer-encoding" not in found.headers
        connection.send(get())
        assert connection.answer().status == 200
    assert runtime.ask("/function/noop").status == 200


HARM = ["connection", "shutdown", "rings", "truncate", "grow", "punch", "flood"]


@pytest.mark.parametrize("what", HARM)
def test_nonsense_costs_only_the_functions_own_instance(up: Start, what: str) -> None:
    runtime = up(HOSTILE, {"id": "noop"}, {"id": "who"})
    for other in ("noop", "who"):
        assert runtime.ask(f"/function/{other}").status == 200
    with Raw(runtime.port) as others:
        for _ in range(3):
            with Raw(runtime.port) as connection:
                connection.send(poke(what) + get())
                assert connection.answer().status in (200, 502, 500)
                # What it has spoilt of its own may be noticed by its next request only.
                assert connection.answer().status in (200, 502)
            others.send(get("/function/noop"))
            assert others.answer().status == 200
    state = {each["id"]: each for each in runtime.state()}
    for other in ("noop", "who"):
        assert state[other]["counts"] == {"started": 1}
    assert "Traceback" not in runtime.stderr()
    eventually(lambda: runtime.ask("/function/poke").status == 200)


def test_a_handler_may_have_an_executor_of_32_threads(up: Start) -> None:
    runtime = up(HOSTILE)
    answer = runtime.ask("/function/poke?do=threads&value=32")
    assert answer.json() == {"threads": 32}, answer


def test_an_instance_finds_no_others_channel(up: Start) -> None:
    runtime = up(HOSTILE, {"id": "noop"})
    runtime.ask("/function/noop")
    seen = runtime.ask("/function/poke?do=look").json()
    assert seen["sockets"] <= 2  # its connection, and none of the gateway's
    process = psutil.Process(runtime.process.pid)
    gateways = {each.laddr.port for each in process.net_connections() if each.laddr}
    for child in runtime.processes():
        held = {each.laddr.port for each in child.net_connections() if each.laddr}
        assert not held & gateways, (child, held)
    eventually(lambda: runtime.ask("/readyz").status == 200)
