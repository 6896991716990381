"""The READY handshake against whatever a process may do instead of saying it."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aetherless_py import errors
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import Door, Folder, hear_ready

PREAMBLE = """
import os, socket, sys, time
def connect():
    made = socket.socket(socket.AF_UNIX)
    made.connect(sys.argv[1])
    return made
"""


@pytest.fixture
def door() -> Iterator[Door]:
    folder = Folder()
    made = Door(folder, "one")
    yield made
    made.close()
    folder.close()
    assert not os.path.exists(folder.path)


def expect(door: Door, code: str, timeout_s: float = 30.0) -> bytes:
    """Runs a process that ought to say READY; gives what it sends afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(code), door.path]
    ) as process:
        output = Output()
        ended_fd = os.pidfd_open(process.pid)
        try:
            deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
            connection, ready_ns = door.expect(process.pid, ended_fd, output, deadline_ns)
            assert ready_ns <= time.monotonic_ns()
            with connection:
                connection.settimeout(30)
                return connection.recv(100)
        finally:
            process.kill()
            os.close(ended_fd)
            output.close()


def test_ready_in_one_piece_or_in_five(door: Door) -> None:
    assert expect(door, "c = connect(); c.send(b'READY'); time.sleep(0.2); c.send(b'more')") == (
        b"more"
    )
    pieces = """
        c = connect()
        for byte in b"READY":
            c.send(bytes([byte]))
            time.sleep(0.02)
        c.close()
        time.sleep(60)
        """
    assert expect(door, pieces) == b""


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("connect().send(b'READYREADY'); time.sleep(60)", r"once, this one said b'READYR'"),
        ("connect().send(b'ready'); time.sleep(60)", "said b'ready'"),
        ("connect().send(b'READX'); time.sleep(60)", "said b'READX'"),
    ],
)
def test_anything_else_is_refused(door: Door, code: str, message: str) -> None:
    with pytest.raises(errors.HandshakeError, match=message):
        expect(door, code)


@pytest.mark.parametrize(
    "code",
    [
        "connect().send(b'READ')",
        "connect()",
        "pass",
        "c = connect(); c.send(b'REA'); c.close(); time.sleep(60)",
    ],
)
def test_one_that_ends_before_it_is_ready(door: Door, code: str) -> None:
    with pytest.raises(errors.StartError, match=r"ended before READY|closed its connection"):
        expect(door, code)


@pytest.mark.parametrize("code", ["time.sleep(60)", "c = connect(); time.sleep(60)"])
def test_one_that_says_nothing(door: Door, code: str) -> None:
    with pytest.raises(errors.StartTimeoutError):
        expect(door, code, timeout_s=0.5)


def test_ready_after_the_deadline_is_late_even_if_it_is_there_already() -> None:
    """Who had no processor at its deadline must not find, later, that the instance was in time."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        theirs.send(b"READY")
        with pytest.raises(errors.StartTimeoutError, match="not ready in time"):
            hear_ready(ours, -1, None, time.monotonic_ns() - 1)


def test_another_process_cannot_speak_for_it(door: Door) -> None:
    """A child of the started process connects first, and says READY, and more."""
    code = """
        if os.fork() == 0:
            try:
                c = connect()
                c.send(b"READY")
                c.recv(1)
            except OSError:
                pass
            os._exit(0)
        os.wait()
        c = connect()
        c.send(b"READY")
        time.sleep(0.2)
        c.send(b"the right one")
        time.sleep(60)
        """
    assert expect(door, code) == b"the right one"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [(b"", b"READY", "another process"), (b"REA", b"DY", "several processes")],
    ids=["another process", "two together"],
)
def test_another_process_cannot_speak_through_its_connection(
    door: Door, before: bytes, after: bytes, words: str
) -> None:
    code = f"""
        c = connect()
        c.send({before!r})
        if os.fork() == 0:
            c.send({after!r})
            os._exit(0)
        time.sleep(60)
        """
    with pytest.raises(errors.HandshakeError, match=words):
        expect(door, code)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_cannot_say_it(door: Door) -> None:
    code = "c = connect(); os.setuid(65534); c.send(b'READY'); time.sleep(60)"
    with pytest.raises(errors.HandshakeError, match="came from user 65534, not from 0"):
        expect(door, code)


def test_the_folder_is_ours_alone(door: Door) -> None:
    mode = stat.S_IMODE(os.stat(os.path.dirname(door.path)).st_mode)
    assert mode == 0o700


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder with a short name, for sockets."""
    with tempfile.TemporaryDirectory() as own:
        yield Path(own)


def test_what_a_killed_maker_left_is_removed_by_the_next_one(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    code = (
        "import time; from aetherless_py.start.readiness import Door, Folder; folder = Folder();"
        " door = Door(folder, 'one'); print(folder.path, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(temporary)}, stdout=subprocess.PIPE, text=True,
    ) as maker:  # fmt: skip
        assert maker.stdout is not None
        theirs = Path(maker.stdout.readline().strip())
        first = Folder()
        assert theirs.is_dir()  # its maker lives
        maker.kill()
        maker.wait()
        second = Folder()
    assert sorted(temporary.iterdir()) == sorted([Path(first.path), Path(second.path)])
    for folder in (first, second):
        folder.close()
    assert not list(temporary.iterdir())


def test_a_folder_too_deep_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(errors.StartError, match="set TMPDIR to a shorter"):
        Folder()
    assert not list(deep.iterdir())
