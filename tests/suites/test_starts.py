"""One conformance suite over the baselines of starting."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import psutil
import pytest

from aetherless_py import errors
from aetherless_py.start.base import Function, Strategy
from aetherless_py.start.http_instance import HttpInstance, Port
from aetherless_py.start.instance import Instance, Phases, Process
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import readable
from benchmarks.baselines.starts import BASELINES, baseline
from benchmarks.baselines.starts.child import FUNCTIONS
from benchmarks.baselines.starts.runtime_api import Request, RuntimeApi
from tests.start.support import descriptors, gone

CONTAINERS = {"container", "lambda_runtime_container"}
# Only for what these can do: a program in a pid namespace of its own, a handler in Node.js.
SCRIPTS = {
    "fails": (
        "raise RuntimeError('this function cannot be imported')",
        "throw new Error('this function cannot be imported');",
    ),
    "exits": (
        "import os\nprint('not today', flush=True)\nos._exit(7)",
        "console.log('not today'); process.exit(7);",
    ),
    "waits": (
        "import time\nprint('this takes for ever', flush=True)\ntime.sleep(600)",
        "require('fs').writeSync(1, 'this takes for ever\\n');"
        " Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600000);",
    ),
    "odd": (
        "import os, time\n"
        "def do(request):\n"
        "    if request == b'pid': return b'%d' % os.getpid()\n"
        "    if request == b'raise': raise ValueError('no such thing')\n"
        "    if request == b'exit': os._exit(3)\n"
        "    if request == b'hang': time.sleep(600)\n"
        "    if request == b'print': os.write(1, b'x' * (1 << 20) + b'the end')\n"
        "    return request\n",
        "exports.do = (request) => {\n"
        "  const what = request.toString();\n"
        "  if (what === 'pid') return Buffer.from(String(process.pid));\n"
        "  if (what === 'raise') { const e = new Error('no such thing');"
        " e.name = 'ValueError'; throw e; }\n"
        "  if (what === 'exit') process.exit(3);\n"
        "  if (what === 'hang') for (;;);\n"
        "  if (what === 'print')"
        " require('fs').writeSync(1, Buffer.alloc(1 << 20, 'x') + 'the end');\n"
        "  return request;\n"
        "};\n",
    ),
}


@pytest.fixture(scope="session")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("functions")
    for name, (python, javascript) in SCRIPTS.items():
        (folder / f"{name}.py").write_text(python)
        (folder / f"{name}.js").write_text(javascript)
    return str(folder)


@pytest.fixture(params=BASELINES)
def name(request: pytest.FixtureRequest) -> str:
    return _able(request.param)


def _able(name: str) -> str:
    if why := baseline(name).missing():
        pytest.skip(f"{name}: {why}")
    return name


def _echo(*imports: str) -> Function:
    return Function("cold:echo", imports, (FUNCTIONS,), {}, ready_timeout_s=60)


def _odd(scripts: str) -> Function:
    return Function("odd:do", (), (scripts,), {}, ready_timeout_s=60)


@contextlib.contextmanager
def prepared(name: str, function: Function) -> Iterator[Strategy]:
    with baseline(name) as made:
        made.prepare(function)
        yield made


def _state() -> set[str]:
    """What instances could leave of themselves, each thing by a name."""
    found = {f"process {one.pid} under this one" for one in psutil.Process().children(True)}
    for one in psutil.process_iter():  # wherever it hangs
        with contextlib.suppress(psutil.Error, OSError):
            if one.environ().get("AETHER_TEST") == str(os.getpid()):
                found.add(f"process {one.pid}")
    # Not by pathlib, which raises where a folder goes away while it looks.
    for pattern in ("aetherless-*", "*/aetherless-*"):
        found |= set(glob.glob(f"/sys/fs/cgroup/{pattern}"))
    for folder, folders, files in os.walk(tempfile.gettempdir()):
        found |= {os.path.join(folder, name) for name in (*folders, *files)}
    found |= set(Path("/proc/self/mountinfo").read_text().splitlines())
    return found | {f"descriptor {number}" for number in range(descriptors())}


def _left(before: set[str]) -> set[str]:
    """What is there beyond that; the kernel, and others' tests, have some time to end theirs."""
    until = time.monotonic() + 30
    while (left := _state() - before) and time.monotonic() < until:
        time.sleep(0.05)
    return left


@pytest.fixture(autouse=True)
def nothing_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """No process, cgroup, mount, descriptor, socket or folder is left over."""
    tmp_path_factory.getbasetemp()
    for one in CONTAINERS:  # the trial of the runtimes is once for all
        baseline(one).missing()
    with tempfile.TemporaryDirectory(prefix="starts-") as own:  # a short name, for the sockets
        monkeypatch.setattr(tempfile, "tempdir", own)
        monkeypatch.setenv("TMPDIR", own)
        monkeypatch.setenv("AETHER_TEST", str(os.getpid()))
        before = _state()
        yield
        assert not _left(before)


# What a start cannot tell: the runtime makes the process; a server that is not ours keeps no marks.
UNKNOWN = {
    "container": {"created_ns"},
    "lambda_runtime": {"interpreter_ns", "imported_ns"},
    "lambda_runtime_container": {"created_ns", "interpreter_ns", "imported_ns"},
    "functions_framework": {"interpreter_ns", "imported_ns"},
}


def _began_ns(pid: int) -> int:
    """When the process was started, on CLOCK_MONOTONIC, early by up to one kernel's tick."""
    offset_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK") - offset_ns


TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _ends(instance: Instance) -> bool:
    """Whether it is noticed within a time that the instance has ended: all threads of it."""
    until = time.monotonic() + 30
    while instance.alive and time.monotonic() < until:
        time.sleep(0.01)
    return not instance.alive


@pytest.mark.parametrize("imports", [(), ("http.server", "json")])
def test_an_instance_answers_and_its_phases_stand_in_order(
    name: str, imports: tuple[str, ...]
) -> None:
    with prepared(name, _echo(*imports)) as made:
        instance = made.start()
        assert instance.phases.ready_ns is not None
        assert instance.phases.first_response_ns is None
        for payload in (os.urandom(64), b"", os.urandom(1 << 20), b"once more"):
            assert instance.invoke(payload) == payload
        assert (instance.mode, instance.invocations, instance.alive) == (name, 4, True)
        phases = dataclasses.asdict(instance.phases)  # in the order of time
        assert {kind for kind, moment in phases.items() if moment is None} == UNKNOWN.get(
            name, set()
        )
        moments = [moment for moment in phases.values() if moment is not None]
        assert moments == sorted(moments)
        instance.stop()
        assert not instance.alive
        assert instance.status is not None
        with pytest.raises(errors.InstanceGoneError, match="stopped"):
            instance.invoke(b"")


def test_each_start_is_a_new_process_begun_after_it_was_asked_for(name: str) -> None:
    pids = []
    with prepared(name, _echo()) as made:
        for _ in range(3):
            instance = made.start()
            assert instance.invoke(b"x") == b"x"
            assert _began_ns(instance.pid) > instance.phases.asked_ns - TICK_NS
            pids.append(instance.pid)
            instance.stop(grace_s=0)
            assert gone(instance.pid)
    assert len(set(pids)) == 3


def test_the_process_is_that_in_which_the_function_runs(name: str, scripts: str) -> None:
    with prepared(name, _odd(scripts)) as made:
        instance = made.start()
        said = int(instance.invoke(b"pid"))
        if name in CONTAINERS:
            status = Path(f"/proc/{instance.pid}/status").read_text()
            assert said == 1
            assert f"NSpid:\t{instance.pid}\t1\n" in status
        else:  # gunicorn's worker is a child of the first one
            family = {one.pid for one in psutil.Process(instance.pid).children()}
            assert said in ({instance.pid} if name != "functions_framework" else family)


def test_an_exception_is_the_callers_and_the_instance_goes_on(name: str, scripts: str) -> None:
    with prepared(name, _odd(scripts)) as made:
        instance = made.start()
        told = "status 500" if name == "functions_framework" else "ValueError: no such thing"
        with pytest.raises(errors.HandlerError, match=told):
            instance.invoke(b"raise")
        assert instance.invoke(b"and on") == b"and on"


def test_what_an_instance_prints_is_not_in_the_way(name: str, scripts: str) -> None:
    with prepared(name, _odd(scripts)) as made:
        instance = made.start()
        assert instance.invoke(b"print") == b"print"
        until = time.monotonic() + 30
        while not instance.output.endswith("the end") and time.monotonic() < until:
            time.sleep(0.01)
        assert instance.output.endswith("the end")


def test_an_instance_that_ends_in_the_middle_is_gone(name: str, scripts: str) -> None:
    with prepared(name, _odd(scripts)) as made:
        instance = made.start()
        with pytest.raises(errors.InstanceGoneError):
            instance.invoke(b"exit")
        assert not instance.alive
        assert made.start().invoke(b"next") == b"next"


def test_an_instance_that_never_answers_is_killed(name: str, scripts: str) -> None:
    with prepared(name, _odd(scripts)) as made:
        instance = made.start()
        pid = instance.pid
        with pytest.raises(errors.InvocationTimeoutError, match="killed"):
            instance.invoke(b"hang", timeout_s=0.5)
        assert gone(pid)


def test_a_killed_instance_is_noticed(name: str) -> None:
    with prepared(name, _echo()) as made:
        for asked_before in (False, True):
            instance = made.start()
            if asked_before:
                assert instance.invoke(b"x") == b"x"
            os.kill(instance.pid, signal.SIGKILL)
            assert _ends(instance)
            with pytest.raises(errors.InstanceGoneError):
                instance.invoke(b"y")


@pytest.mark.parametrize(
    ("module", "words"),
    [("fails", "this function cannot be imported"), ("exits", r"printed last:\n(.*\n)*not today")],
)
def test_a_function_that_fails_on_import_says_why(
    name: str, scripts: str, module: str, words: str
) -> None:
    function = Function(f"{module}:f", (), (scripts,), {}, ready_timeout_s=60)
    with pytest.raises(errors.StartError, match=words) as raised, prepared(name, function) as made:
        made.start()
    assert raised.type is errors.StartError


def test_a_function_that_is_never_ready_is_killed_at_its_time_out(name: str, scripts: str) -> None:
    function = Function("waits:f", (), (scripts,), {}, ready_timeout_s=2.0)
    with (
        pytest.raises(errors.StartTimeoutError, match="takes for ever"),
        prepared(name, function) as made,
    ):
        made.start()


def test_several_at_once(name: str) -> None:
    with prepared(name, _echo()) as made:
        instances: list[Instance] = []
        failures: list[BaseException] = []

        def start(number: int) -> None:
            try:
                instance = made.start()
                assert instance.invoke(b"%d" % number) == b"%d" % number
                instances.append(instance)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=start, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert len({each.pid for each in instances}) == len({each.id for each in instances}) == 6


def test_stop_leaves_nothing_while_the_strategy_goes_on(name: str) -> None:
    with prepared(name, _echo()) as made:
        kept = [made.start()]  # what is nobody's any more Python would put away itself
        kept[0].stop()
        before = _state()
        for grace_s in (0, 1.0):
            kept.append(made.start())
            assert kept[-1].invoke(b"x") == b"x"
            kept[-1].stop(grace_s)
            assert not _left(before)


class _Killer(threading.Thread):
    """Kills what begins below this process, that long after the first of it was there.

    Counted from the call, a moment could be one at which there is nobody to be killed: some take
    their time before they have a process, and a start with cold caches takes longer than the next.
    Who is late, when the start is over, kills nobody.
    """

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self._after_s, self._over = after_s, threading.Event()
        self._others = self._children()
        self.born_s = time.monotonic()
        self.killed = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._new():
            if self._over.wait(0.0005):  # and the start has its turn
                return
        self.born_s = time.monotonic()
        if self._over.wait(self._after_s):
            return  # what is there now is left over, and for the test to find
        for one in self._new():
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
                self.killed += 1

    def _new(self) -> set[psutil.Process]:
        return self._children() - self._others

    @staticmethod
    def _children() -> set[psutil.Process]:
        return set(psutil.Process().children(recursive=True))


def test_kills_while_it_starts_leave_nothing(name: str) -> None:
    with prepared(name, _echo()) as made:
        made.start().stop(grace_s=0)  # with whatever is not in the caches yet
        with _Killer(after_s=60) as spared:
            instance = made.start()
            ready_s = time.monotonic()
            instance.stop(grace_s=0)
        assert spared.killed == 0
        takes_s = ready_s - spared.born_s
        before = _state()
        killed = 0
        for part in (0.0, 0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0):
            with _Killer(part * takes_s) as killer, contextlib.suppress(errors.StartError):
                made.start().stop(grace_s=0)
            killed += killer.killed
        assert killed
        assert not _left(before)
        assert made.start().invoke(b"next") == b"next"


RUNTIME = """
    import sys, threading, time
    from aetherless_py.start.base import Function
    from benchmarks.baselines.starts import baseline
    made = baseline(sys.argv[1])
    made.prepare(Function("odd:do", path=(sys.argv[2],), ready_timeout_s=60))
    instances = [made.start(), made.start()]
    threading.Thread(target=instances[0].invoke, args=(b"hang",), daemon=True).start()
    threading.Thread(target=made.start, daemon=True).start()
    time.sleep(0.05)
    print(*(each.pid for each in instances), flush=True)
    time.sleep(600)
    """


def test_instances_end_with_a_runtime_that_is_killed(name: str, scripts: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(RUNTIME), name, scripts],
        stdout=subprocess.PIPE,
        text=True,
    ) as runtime:
        assert runtime.stdout is not None
        pids = [int(pid) for pid in runtime.stdout.readline().split()]
        assert len(pids) == 2
        runtime.kill()
    assert all(gone(pid) for pid in pids)
    if name not in CONTAINERS:  # the folder of the sockets stays, with nobody to remove it
        for folder in Path(tempfile.gettempdir()).iterdir():
            shutil.rmtree(folder, ignore_errors=True)  # a guard may do the same now


@pytest.mark.parametrize("killed", ["runtime", "container"])
def test_a_container_is_removed_whoever_of_it_was_killed(killed: str) -> None:
    with prepared(_able("container"), _echo()) as made:
        before = _state()
        instance = made.start()
        process = psutil.Process(instance.pid)
        if killed == "runtime":
            parent = process.parent()
            assert parent is not None
            parent.kill()
            assert gone(parent.pid)
            assert instance.invoke(b"x") == b"x"  # nobody has ended the container
        else:
            process.kill()
        assert glob.glob("/sys/fs/cgroup/**/aetherless-*", recursive=True)
        instance.stop()
        assert gone(process.pid)
        assert not _left(before)


def test_a_container_is_one(tmp_path: Path) -> None:
    (tmp_path / "looks.py").write_text(
        "import json, os, socket\n"
        "def writable(path):\n"
        "    try:\n"
        "        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))\n"
        "        return True\n"
        "    except OSError:\n"
        "        return False\n"
        "def look(request):\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return json.dumps({\n"
        "        'space': {n: os.readlink(f'/proc/self/ns/{n}') for n in\n"
        "                  ('pid', 'mnt', 'ipc', 'uts', 'net')},\n"
        "        'groups': open('/proc/self/cgroup').read(),\n"
        "        'pids': [p for p in os.listdir('/proc') if p.isdigit()],\n"
        "        'interfaces': [n for _, n in socket.if_nameindex()],\n"
        "        'capabilities': [l.split()[1] for l in lines if l.startswith('Cap')],\n"
        "        'run': os.listdir('/run'), 'etc': os.listdir('/etc'),\n"
        "        'written': [p for p in ('/x', '/usr/x', '/proc/sys/kernel/hostname',\n"
        "                    os.path.join(os.path.dirname(__file__), 'x'), '/tmp/x')\n"
        "                    if writable(p)],\n"
        "    }).encode()\n"
    )
    function = Function("looks:look", (), (str(tmp_path),), {}, ready_timeout_s=60)
    with prepared(_able("container"), function) as made:
        instance = made.start()
        found = json.loads(instance.invoke(b""))
        for kind, inside in found["space"].items():
            assert inside != os.readlink(f"/proc/self/ns/{kind}"), kind
        assert made.start().pid != instance.pid
        groups = [line.partition("::" if line.startswith("0:") else ":/")[2] for line in
                  found["groups"].splitlines()]  # fmt: skip
        assert any(group.lstrip("/").startswith("aetherless-") for group in groups)
    assert found["pids"] == ["1"]
    assert found["interfaces"] == ["lo"]
    assert {int(each, 16) for each in found["capabilities"]} == {0}
    assert found["written"] == ["/tmp/x"]
    assert found["run"] == ["aether.sock"]
    assert found["etc"] in ([], ["ld.so.cache"])
    assert not (tmp_path / "x").exists()


class _Alive(Process):
    """A process that neither ends nor is one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.ended_fd, self._write_fd = os.pipe()

    def end(self) -> None:
        os.close(self.ended_fd)
        os.close(self._write_fd)


HTTP = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        (HTTP + b"Content-Length: 1\r\n\r\ny", None, "y"),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\n1\r\ny\r\n0\r\n\r\n", None, "y"),
        (HTTP + b"Content-Length: 9\r\n\r\ncut", errors.InstanceGoneError, "cut off"),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\n9\r\ncut", errors.InstanceGoneError, "sense"),
        (b"what?\r\n\r\n", errors.InstanceGoneError, "makes no sense"),
        (b"", errors.InstanceGoneError, "before it answered"),
        (HTTP.replace(b"200", b"418") + b"\r\nno", errors.HandlerError, "418: no"),
    ],
)
def test_what_is_said_over_http_is_checked(
    said: bytes, kind: type[Exception] | None, words: str
) -> None:
    port = Port()
    output = Output()
    instance = HttpInstance("id", "mode", _Alive(), port, port.socket, output, Phases(0))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port.number))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                asked = b""
                while not asked.endswith(b"\r\n\r\nhello"):
                    asked += connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        if kind is None:
            assert instance.invoke(b"hello", timeout_s=30) == words.encode()
        else:
            with pytest.raises(kind, match=words):
                instance.invoke(b"hello", timeout_s=30)
        thread.join()
    instance.stop(grace_s=0)


def test_a_port_is_nobody_elses() -> None:
    port = Port()
    others = [socket.socket() for _ in range(200)]
    try:
        for other in others:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", 0))
        assert port.number not in {other.getsockname()[1] for other in others}
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port.number))
    finally:
        port.close()
        for other in others:
            other.close()


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"x" * (3 << 20),
    ],
)
def test_the_runtime_api_refuses_what_is_none(said: bytes) -> None:
    api = RuntimeApi()
    host, port = api.address.split(":")
    try:
        with socket.create_connection((host, int(port))) as caller:
            thread = threading.Thread(target=caller.sendall, args=(said,))
            thread.start()
            with pytest.raises(errors.HandshakeError, match="no request"):
                api.hear(lambda: _must_be_readable(api.fileno()))
            api.close()
            with contextlib.suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
            thread.join()
    finally:
        api.close()


def test_the_runtime_api_hears_requests_in_parts_and_in_turn() -> None:
    api = RuntimeApi()
    host, port = api.address.split(":")

    def hear() -> Request:
        return api.hear(lambda: _must_be_readable(api.fileno()))

    try:
        with socket.create_connection((host, int(port))) as caller:
            post = b"POST /a HTTP/1.1\r\ncontent-length:5\r\n\r\nhello"
            thread = threading.Thread(
                target=lambda: [
                    (caller.sendall(post[at : at + 1]), time.sleep(0.002))  # type: ignore[func-returns-value]
                    for at in range(len(post))
                ]
            )
            thread.start()
            assert (heard := hear()).what == ("POST", "/a")
            assert heard.body == b"hello"
            thread.join()
            caller.sendall(b"GET /b HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n")
            assert [hear().what[1] for _ in range(2)] == ["/b", "/c"]
    finally:
        api.close()


def _must_be_readable(fd: int) -> None:
    assert readable(fd, 30)


@pytest.mark.parametrize(
    ("imports", "handler", "words"),
    [(("numpy",), "cold:echo", "nothing like numpy"), ((), "cool:echo", r"no cool\.js")],
)
def test_node_says_what_it_has_not(imports: tuple[str, ...], handler: str, words: str) -> None:
    function = Function(handler, imports, (FUNCTIONS,))
    with (
        pytest.raises(errors.StrategyMissingError, match=words),
        prepared(_able("node_spawn"), function),
    ):
        pass


def test_a_baseline_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    for one in ("node_spawn", "functions_framework", "lambda_runtime"):
        made = baseline(one)
        assert "tools/" in (made.missing() or "")
        with pytest.raises(errors.StrategyMissingError, match=one), made:
            made.prepare(_echo())


def test_only_what_is_simulated_says_so() -> None:
    assert [one for one in BASELINES if getattr(baseline(one), "simulated", False)] == [
        "lambda_simulated"
    ]


def test_a_baseline_of_no_known_name_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no baseline 'lambda': there are node_spawn"):
        baseline("lambda")


def test_a_commit_without_strategies_can_still_be_measured(tmp_path: Path) -> None:
    """asv imports every module of the benchmarks, whatever commit's package is there."""
    package = tmp_path / "aetherless_py"
    package.mkdir()
    (package / "__init__.py").touch()
    code = (
        "import pkgutil, aetherless_py, benchmarks.baselines.starts as starts\n"
        "assert not hasattr(aetherless_py, 'start')\n"
        "print([name for _, name, _ in pkgutil.iter_modules(starts.__path__)])\n"
    )
    project = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{project}"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
