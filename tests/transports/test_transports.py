"""One conformance suite over every way between two processes that the folder holds."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psutil
import pytest

from benchmarks.harness import registry
from benchmarks.transports import transports
from benchmarks.transports.base import (
    Client,
    Link,
    LinkTransport,
    Payload,
    Transport,
    TransportError,
    served,
)
from benchmarks.transports.grpc_unix import GrpcClient
from benchmarks.transports.sampling import cpu_time_ns

ROOT = Path(__file__).resolve().parents[2]
WATCHDOG_S = 60.0
SIZES = [0, 1, 63, 64, 65, 4095, 16384, 16385, 65536, 1 << 20, 4 << 20]


@pytest.fixture(params=transports())
def way(request: pytest.FixtureRequest) -> type[Transport]:
    found = transports()[request.param]
    if why := found.missing():
        pytest.skip(why)
    return found


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """No descriptor, process, segment, queue or file is left over."""

    def state() -> tuple[set[str], int]:
        queues = set(os.listdir("/dev/mqueue")) if os.path.isdir("/dev/mqueue") else set()
        return set(os.listdir("/dev/shm")) | queues, _descriptors()

    _warm()
    before = state()
    children = set(psutil.Process().children(recursive=True))
    yield
    ends = time.monotonic() + 20
    while time.monotonic() < ends:  # threads of peers' libraries give up descriptors late
        after = state()
        if after[0] <= before[0] and after[1] <= before[1]:
            break
        time.sleep(0.05)
    assert after[0] <= before[0]
    assert after[1] <= before[1], os.listdir("/proc/self/fd")
    assert set(psutil.Process().children(recursive=True)) <= children
    assert not list(tmp_path.glob("way/*"))


def _descriptors() -> int:
    """How many are open, but for those by which peers' libraries wake their own threads.

    gRPC makes more of these when it notices a lost connection, and keeps them.
    """
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            count += not os.readlink(f"/proc/self/fd/{name}").startswith("anon_inode:")
    return count


_warmed = False


def _warm() -> None:
    """What stays once for all: multiprocessing's resource tracker, libraries' own descriptors."""
    global _warmed
    if not _warmed:
        from multiprocessing import resource_tracker

        resource_tracker.ensure_running()
        for method in ("grpc", "zeromq", "iceoryx2"):
            found = transports()[method]
            if found.missing():
                continue
            with (
                tempfile.TemporaryDirectory() as folder,
                served(found(folder, 64, "echo"), None) as (client, _),
            ):
                client.call(b"x")
        _warmed = True


@pytest.fixture
def folder(tmp_path: Path) -> str:
    path = tmp_path / "way"
    path.mkdir(mode=0o700)
    return str(path)


def payload_of(size: int) -> bytes:
    return np.random.default_rng(size).bytes(size)


def test_echo_at_every_size(way: type[Transport], folder: str) -> None:
    largest = way.largest_bytes or SIZES[-1]
    sizes = [size for size in SIZES if size <= largest]
    with served(way(folder, sizes[-1], "echo"), None) as (client, _):
        for size in sizes:
            payload = payload_of(size)
            assert bytes(client.call(payload)) == payload
        for form in (bytearray(b"abc"), memoryview(b"abc")):
            assert bytes(client.call(form)) == b"abc"


def test_calls_are_timed_one_by_one(way: type[Transport], folder: str) -> None:
    with served(way(folder, 64, "echo"), None) as (client, _):
        assert bytes(client.call(b"before")) == b"before"
        samples = client.sample(payload_of(64), 20)
        assert len(samples) == 20 and min(samples) > 0
        assert bytes(client.call(b"after")) == b"after"


def test_many_messages_in_order(way: type[Transport], folder: str) -> None:
    choose = np.random.default_rng(5)
    with served(way(folder, 5000, "echo"), None) as (client, _):
        for number in range(500):
            payload = number.to_bytes(4, "little") + choose.bytes(int(choose.integers(0, 4990)))
            assert bytes(client.call(payload)) == payload


def test_a_stream_arrives_whole(way: type[Transport], folder: str) -> None:
    if not (way.streams or issubclass(way, LinkTransport)):  # some could, and are not asked to
        with (
            served(way(folder, 64, "echo"), None) as (client, _),
            pytest.raises(NotImplementedError, match="no stream"),
        ):
            client.stream(b"x", 1)
        return
    for size in (0, 64, 65536, 4 << 20):
        if size > (way.largest_bytes or size):
            continue
        with served(way(folder, size, "sink"), None) as (client, _):
            for _ in range(2):
                client.stream(payload_of(size), 200 if size <= 65536 else 3)


def test_a_server_that_dies_is_said_to_the_client(way: type[Transport], folder: str) -> None:
    with (
        pytest.raises(TransportError, match=f"^{way.name}: the server has ended$"),
        served(way(folder, 64, "echo"), None) as (client, server),
    ):
        assert bytes(client.call(b"before")) == b"before"
        server.kill()
        for _ in range(3):  # what was written before the kill may still be answered
            client.call(b"after")


def test_a_server_that_dies_is_said_although_a_destructor_drops_it(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closing:
        def __del__(self) -> None:
            server.kill()
            while server.is_alive():
                time.sleep(0.001)

    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: dropped.append(told.exc_type))
    handlers = [signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGALRM)]
    going = Closing()
    with (
        pytest.raises(TransportError, match="has ended"),
        served(transports()["posix_mq"](folder, 64, "echo"), None) as (client, server),
    ):
        del going
        assert dropped == [TransportError]
        client.call(b"after")
    assert [signal.getsignal(number) for number in (signal.SIGCHLD, signal.SIGALRM)] == handlers
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_server_that_cannot_start_is_said(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # with which no interpreter comes up
    with (
        pytest.raises(TransportError, match="pipe: the server has ended"),
        served(transports()["pipe"](folder, 64, "echo"), None),
    ):
        pytest.fail("it has come up")


STANDS_STILL = """
import os, psutil, signal, sys
from benchmarks.transports import transports
from benchmarks.transports.base import served

def measure(name, folder):
    def end(number, _):
        if psutil.pid_exists(pid) and psutil.Process(pid).status() == psutil.STATUS_STOPPED:
            sys.exit(128 + number)  # once it has been killed, the end is on its way

    with served(transports()[name](folder, 64, "echo"), None) as (client, server):
        assert bytes(client.call(b"before")) == b"before"
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
        signal.signal(signal.SIGTERM, end)
        print("stands still", flush=True)
        while True:
            client.call(b"while it stands still")

if __name__ == "__main__":
    measure(*sys.argv[1:])
"""


def test_who_waits_for_a_server_that_stands_still_can_be_ended(
    way: type[Transport], folder: str, tmp_path: Path
) -> None:
    """As the watchdog of measuring processes does: by a signal, at which all is put away."""
    program = tmp_path / "stands_still.py"
    program.write_text(STANDS_STILL)
    with subprocess.Popen(
        [sys.executable, program, way.name, folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
    ) as measuring:  # fmt: skip
        try:
            assert measuring.stdout is not None
            assert measuring.stdout.readline() == b"stands still\n"
            [server] = [
                child
                for child in psutil.Process(measuring.pid).children()
                if "resource_tracker" not in " ".join(child.cmdline())
            ]
            while measuring.poll() is None:
                # Again where a library's destructor has dropped it; not so soon that gRPC, which
                # looks for signals 200 ms after the last one, would never do so.
                measuring.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    measuring.wait(1.0)
            assert measuring.returncode
            assert not server.is_running()
        finally:
            measuring.kill()


def test_a_server_waits_for_a_client_that_comes_late(
    way: type[Transport], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = way.connect

    def late(self: Transport, address: Any) -> Client:
        time.sleep(0.5)
        return connect(self, address)

    monkeypatch.setattr(way, "connect", late)
    with served(way(folder, 64, "echo"), None) as (client, _):
        assert bytes(client.call(b"after all")) == b"after all"


def test_the_server_runs_where_it_is_told(way: type[Transport], folder: str) -> None:
    cpu = sorted(os.sched_getaffinity(0))[-1]
    with served(way(folder, 64, "echo"), cpu) as (client, server):
        client.call(b"x")
        assert server.pid is not None
        assert os.sched_getaffinity(server.pid) == {cpu}


def test_the_clock_of_another_process(folder: str) -> None:
    with served(transports()["pipe"](folder, 64, "echo"), None) as (client, server):
        assert server.pid is not None
        before = cpu_time_ns(server.pid)
        for _ in range(2000):
            client.call(b"x")
        used = cpu_time_ns(server.pid) - before
        system = psutil.Process(server.pid).cpu_times()
        assert 0 < used <= (system.user + system.system + 0.02) * 1e9


@pytest.mark.parametrize(
    "way", [name for name, each in transports().items() if each.streams], indirect=True
)
@pytest.mark.parametrize(
    ("changed", "told"), [(b"y" * 64, "not what was sent"), (b"x" * 63, "20 of 1279 bytes")]
)
def test_a_changed_message_is_noticed(
    way: type[Transport],
    folder: str,
    changed: bytes,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(way(folder, 64, "sink"), None) as (client, _):
        if len(changed) != 64:  # which is noticed in every stream, not only in the first one
            client.stream(b"x" * 64, 20)
        if isinstance(client, Link):
            give = client.give

            def spoil(payload: Payload, count: int) -> None:
                give(payload, count - 1)
                give(changed, 1)

            monkeypatch.setattr(client, "give", spoil)
        else:
            assert isinstance(client, GrpcClient)
            sink = client._sink
            monkeypatch.setattr(
                client, "_sink", lambda messages: sink(iter([*list(messages)[1:], changed]))
            )
        with pytest.raises(TransportError, match=told):
            client.stream(b"x" * 64, 20)


@pytest.mark.parametrize(
    ("method", "module"),
    [
        ("zeromq", "zmq"),
        ("grpc", "grpc"),
        ("http_json_uvicorn", "uvloop"),
        ("posix_mq", "posix_ipc"),
        ("ring_pair", "aetherless_py.shm"),
        ("shared_memory", "aetherless_py.channel"),
    ],
)
def test_what_is_not_there_is_named(
    method: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert module in (transports()[method].missing() or "")


def test_every_file_of_the_folder_is_found() -> None:
    for found in registry.modules("benchmarks.transports").values():
        assert isinstance(found, ModuleType), found


PEERS = ("zmq", "grpc", "iceoryx2", "posix_ipc", "uvicorn", "httptools", "uvloop", "aetherless_py")


def test_what_a_way_can_is_known_without_what_it_needs() -> None:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({PEERS}))
from benchmarks.transports import transports
print(*sorted(name for name, way in transports().items() if way.streams))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout
    assert said.split() == sorted(name for name, way in transports().items() if way.streams)


def test_a_file_put_into_the_folder_is_measured(tmp_path: Path) -> None:
    (tmp_path / "pigeon.py").write_text(
        """
from benchmarks.transports.pipe import Pipe

class Pigeon(Pipe):
    name = "pigeon"
    bulk = False
    tracking = ("echo",)
"""
    )
    code = f"""
import benchmarks.transports
benchmarks.transports.__path__.append({str(tmp_path)!r})
from benchmarks import suites
print(*(row.name for name in ("tracking", "study")
        for row in suites.rows(suites.Selection(name), ["ipc"], "pigeon")))
"""
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    assert said[:3] == ["ipc_pigeon_64", "ipc_pigeon_1024", "ipc_pigeon_65536"]
    assert "ipc_oneway_pigeon_65536" in said and "ipc_oneway_pigeon_1048576" not in said


def test_a_limit_that_the_kernel_does_not_show_costs_no_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "read_text", _not_shown)
    place = "benchmarks.transports"
    for method in ("unix_seqpacket", "posix_mq"):
        monkeypatch.delitem(sys.modules, f"{place}.{method}")
    seqpacket = importlib.import_module(f"{place}.unix_seqpacket").UnixSeqpacket
    assert seqpacket.largest_bytes > 1 << 16
    why = importlib.import_module(f"{place}.posix_mq").PosixMq.missing()
    assert "no POSIX message queues" in why


def _not_shown(path: Path) -> str:
    raise FileNotFoundError(2, "No such file or directory", str(path))


def test_iceoryx2_in_place_gives_a_view_and_no_copy(folder: str) -> None:
    found = transports()["iceoryx2_zero_copy"]
    if why := found.missing():
        pytest.skip(why)
    with served(found(folder, 64, "echo"), None) as (client, _):
        answer = client.call(b"first")
        assert isinstance(answer, memoryview) and not isinstance(answer.obj, bytes)
        assert bytes(answer) == b"first"
        assert bytes(client.call(b"second")) == b"second"
