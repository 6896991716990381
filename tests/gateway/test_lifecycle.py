"""Begin, reload and end of a runtime, while it is asked."""

from __future__ import annotations

import http.client
import io
import os
import signal
import socket
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from aetherless_py.start.criu import Criu
from tests.gateway.conftest import Start
from tests.gateway.crowd import Crowd, under_way
from tests.gateway.up import WATCHDOG_S, Up, eventually, lives


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return True
    return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


# -- the end ---------------------------------------------------------------------------------------


def test_who_does_not_close_after_a_refusal_keeps_nobody(up: Start) -> None:
    runtime = up({"id": "noop"}, shutdown_timeout_s=600, request_timeout_s=600)
    with socket.create_connection(("127.0.0.1", runtime.port), WATCHDOG_S) as client:
        client.sendall(b"nonsense\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
        runtime.process.send_signal(signal.SIGTERM)
        assert runtime.process.wait(WATCHDOG_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_before_the_end(
    up: Start, tmp_path: Path, number: int
) -> None:
    runtime = up({"id": "does", "max_instances": 2}, shutdown_timeout_s=60)
    go = tmp_path / "go"
    idle = http.client.HTTPConnection("127.0.0.1", runtime.port, timeout=WATCHDOG_S)
    idle.request("GET", "/function/does")
    assert idle.getresponse().read()
    with under_way(runtime, go, 2) as held:
        waiting = threading.Thread(target=runtime.ask, args=("/function/does",))
        waiting.start()
        eventually(lambda: runtime.state()[0]["queue"] == 1)
        runtime.process.send_signal(number)
        eventually(lambda: _refuses(runtime.port))
        # A connection that was there before is told.
        idle.request("GET", "/function/does")
        assert idle.getresponse().status == 503
        idle.close()
        runtime.process.send_signal(number)  # a second one changes nothing
        assert runtime.process.poll() is None
        go.touch()
        assert [each.result().status for each in held] == [200, 200]
        waiting.join(WATCHDOG_S)
    assert runtime.process.wait(WATCHDOG_S) == 0


def test_it_goes_on_when_nobody_reads_what_it_says(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"})
    assert runtime.process.stdout is not None
    with under_way(runtime, tmp_path / "go") as [held]:
        runtime.process.stdout.close()
        runtime.process.stdout = io.StringIO()
        runtime.process.send_signal(signal.SIGTERM)
        eventually(lambda: _refuses(runtime.port))
    assert held.result().status == 200
    assert runtime.process.wait(WATCHDOG_S) == 0
    assert not runtime.stderr().count("Traceback")


def test_a_handler_that_hangs_does_not_hold_up_the_end(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "max_instances": 1, "timeout_ms": 900_000}, shutdown_timeout_s=0.5)
    with under_way(runtime, tmp_path / "never") as [held]:
        queued: list[int] = []
        waiting = threading.Thread(
            target=lambda: queued.append(runtime.ask("/function/does").status)
        )
        waiting.start()
        eventually(lambda: runtime.state()[0]["queue"] == 1)
        runtime.process.send_signal(signal.SIGTERM)
        assert runtime.process.wait(WATCHDOG_S) == 0
        assert held.result().status == 502  # it was begun: whether it acted is unknown
        waiting.join(WATCHDOG_S)
    assert queued == [503]


@pytest.mark.parametrize("pool", [0, 1])
@pytest.mark.parametrize("start", ["zygote", "spawn"])
def test_a_start_that_hangs_does_not_hold_up_the_end(
    up: Start, tmp_path: Path, start: str, pool: int
) -> None:
    go, begun = tmp_path / "go", tmp_path / "begun"
    (tmp_path / "slow.py").write_text(
        "import os, time\n"
        f"if os.path.exists({str(go)!r}):\n"
        f"    open({str(begun)!r}, 'w').close()\n"
        "    time.sleep(600)\n"
        "def handler(event, context):\n"
        "    return {}\n"
    )
    slow = {
        "id": "slow", "handler_path": "slow:handler", "ready_timeout_s": 500, "timeout_ms": 800_000,
        "start": start, "warm_pool_size": pool, "environment": {"PYTHONPATH": str(tmp_path)},
    }  # fmt: skip
    if start == "zygote":  # at the beginning, before anything is served
        go.touch()
        folder = tmp_path / "runtime"
        folder.mkdir()
        runtime = Up(folder, [slow])
        runtime._port = lambda: 0  # type: ignore[method-assign]
        with runtime:
            eventually(begun.exists)
            runtime.process.send_signal(signal.SIGTERM)
            assert runtime.process.wait(WATCHDOG_S) == 0, runtime.stderr()
        return
    if not pool:
        runtime = up(slow, shutdown_timeout_s=0.2)
    else:  # one is there; the next is to be made when it is taken
        runtime = up(slow, shutdown_timeout_s=0.2)
        eventually(lambda: runtime.state()[0]["pool"]["ready"] == 1)
    go.touch()
    asking = threading.Thread(target=lambda: runtime.ask("/function/slow"))
    asking.start()
    eventually(begun.exists)
    runtime.process.send_signal(signal.SIGTERM)
    assert runtime.process.wait(WATCHDOG_S) == 0, runtime.stderr()
    asking.join(WATCHDOG_S)


def _name_of(process: psutil.Process) -> str:
    """Of one that may have ended since it was looked for."""
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def test_after_a_kill_nothing_stays_and_the_port_is_free(
    up: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tempfile.mkdtemp()  # by a short path: sockets are in it
    monkeypatch.setenv("TMPDIR", temporary)
    port = _free_port()
    modes = ["zygote", "spawn"] + ([] if Criu.missing() else ["criu"])
    functions = [
        {"id": mode, "start": mode, "handler_path": "fns:does", "warm_pool_size": pool}
        for pool, mode in enumerate(modes)
    ]
    runtime = up(*functions, port=port, restore_timeout_ms=10_000)
    for mode in modes:
        assert runtime.ask(f"/function/{mode}?do=spawn&value=600").status == 200
    # What a function has started is called "sleep" only after its exec.
    eventually(lambda: [_name_of(each) for each in runtime._marked()].count("sleep") == len(modes))
    mine = runtime._marked()
    runtime.process.kill()
    runtime.process.wait()
    eventually(lambda: not any(map(lives, mine)))
    ours = f"aetherless-{runtime.process.pid}-"
    eventually(lambda: not [name for name in os.listdir("/dev/shm") if name.startswith(ours)])
    eventually(lambda: not os.listdir(temporary))
    # Its socket is the next command's to remove.
    assert [path.name for path in runtime.runtime_folder.glob("*.sock")] == [f"{port}.sock"]
    assert "no runtime is up" in runtime.run("list").stderr
    assert not list(runtime.runtime_folder.glob("*.sock"))
    runtime.__exit__()
    with runtime:
        assert runtime.port == port
        assert runtime.ask(f"/function/{modes[0]}").status == 200
    os.rmdir(temporary)


def test_a_socket_of_a_killed_runtime_does_not_hinder_the_next(up: Start) -> None:
    runtime = up({"id": "noop"}, port=_free_port())
    runtime.process.kill()
    runtime.process.wait()
    eventually(lambda: not any(map(lives, runtime._marked())))
    assert list(runtime.runtime_folder.glob("*.sock"))
    # At once, with its socket there.
    second = Up(runtime.folder, runtime.functions, runtime.orchestrator)
    with second:
        assert second.ask("/function/noop").status == 200
        assert second.run("list").returncode == 0
    runtime.__exit__()


# -- reload ----------------------------------------------------------------------------------------


def _reload(runtime: Up, times: int) -> None:
    """By signal, and waits until it is done."""
    runtime.process.send_signal(signal.SIGHUP)
    eventually(lambda: runtime.stderr().count("INFO reloaded: ") == times, runtime.stderr())


@pytest.mark.slow
@pytest.mark.parametrize("start", ["zygote", "spawn", "criu"])
def test_reloads_lose_no_request(up: Start, tmp_path: Path, start: str) -> None:
    if start == "criu" and (why := Criu.missing()):
        pytest.skip(why)
    for version in range(5):
        (tmp_path / f"v{version}.py").write_text(
            "import time\n"
            "def handler(event, context):\n"
            "    time.sleep(0.002)\n"
            f"    return {{'statusCode': 200, 'body': 'v{version} ' + event['body']}}\n"
        )

    def changing(version: int) -> dict[str, object]:
        return {
            "id": "changing", "handler_path": f"v{version}:handler", "start": start,
            "environment": {"PYTHONPATH": str(tmp_path)}, "max_instances": 3,
        }  # fmt: skip

    kept = {"id": "kept", "handler_path": "fns:echo", "concurrency": 2}
    runtime = up(changing(0), kept, keep_alive_s=600)
    connections = threading.local()
    numbers = iter(range(1 << 60))

    def ask(client: int) -> str:
        if not hasattr(connections, "mine"):
            connections.mine = http.client.HTTPConnection(
                "127.0.0.1", runtime.port, timeout=WATCHDOG_S
            )
        own = f"{client}-{next(numbers)}"
        name = "kept" if client == 0 else "changing"
        connections.mine.request("POST", f"/function/{name}", own, {"content-type": "text/plain"})
        response = connections.mine.getresponse()
        text: str = response.read().decode()
        assert response.status == 200, (response.status, text)
        assert text.endswith(own), (text, own)
        return text.split()[0] if " " in text else "kept"

    with Crowd(ask, 5) as crowd:
        for version in range(1, 5):
            crowd.more(100)
            runtime.functions[0] = changing(version)
            runtime.write()
            _reload(runtime, version)
            mark = len(crowd.heard)
            crowd.more(100)
            # What was asked before the change may be answered after it, once by each client.
            told = [word for word in crowd.heard[mark:] if word != "kept"]
            assert len([word for word in told if word != f"v{version}"]) <= 5
    assert not crowd.wrong, crowd.wrong
    assert {"kept", "v0", "v1", "v2", "v3", "v4"} == set(crowd.heard)
    instances = {each["id"] for each in runtime.instances(1)}
    # The one that has not changed has kept its instances.
    assert runtime.state()[1]["counts"].keys() == {"started"} and instances


def test_functions_and_ports_come_and_go(up: Start) -> None:
    first, second = _free_port(), _free_port()
    runtime = up({"id": "noop"}, {"id": "event", "trigger_port": first})
    assert runtime.ask("/function/who").status == 404
    runtime.functions[:] = [{"id": "noop", "trigger_port": second}, {"id": "who"}]
    runtime.write()
    told = runtime.run("reload")
    assert told.returncode == 0
    assert told.stdout == "added: who; changed: noop; removed: event\n"
    assert runtime.ask("/function/event").status == 404
    assert runtime.ask("/function/who").status == 200
    assert runtime.ask("/", port=second).status == 200
    eventually(lambda: _refuses(first))
    runtime.functions[:] = [{"id": "noop"}, {"id": "who", "trigger_port": second}]
    runtime.write()
    assert runtime.run("reload").returncode == 0
    assert "pid" in runtime.ask("/", port=second).json()  # another one's now
    assert [each["id"] for each in runtime.state()] == ["noop", "who"]


def _held_up(folder: Path, after: str) -> dict[str, object]:
    """A function whose import says by a file that it has begun, and waits for another one.

    Args:
        folder: for both files, "begun" and "go".
        after: what the import does then.
    """
    (folder / "held_up.py").write_text(
        "import os, time\n"
        f"open({str(folder / 'begun')!r}, 'w').close()\n"
        f"while not os.path.exists({str(folder / 'go')!r}):\n"
        "    time.sleep(0.005)\n"
        f"{after}\n"
        "def handler(event, context):\n"
        "    return 'new'\n"
    )
    return {
        "id": "held_up", "handler_path": "held_up:handler", "ready_timeout_s": WATCHDOG_S,
        "timeout_ms": 900_000, "environment": {"PYTHONPATH": str(folder)},
    }  # fmt: skip


@pytest.mark.parametrize(("after", "done"), [("pass", True), ("raise RuntimeError", False)])
def test_until_a_reload_is_done_ports_are_served_as_before(
    up: Start, tmp_path: Path, after: str, done: bool
) -> None:
    handed_on, given_up = _free_port(), _free_port()
    before = [{"id": "event", "trigger_port": handed_on}, {"id": "who", "trigger_port": given_up}]
    runtime = up(*before)
    runtime.functions[:] = [
        {"id": "event"}, {"id": "who"}, {**_held_up(tmp_path, after), "trigger_port": handed_on}
    ]  # fmt: skip
    runtime.write()
    runtime.process.send_signal(signal.SIGHUP)
    eventually((tmp_path / "begun").exists)

    def assert_as_before() -> None:
        assert "rawPath" in runtime.ask("/", port=handed_on).json()
        assert "pid" in runtime.ask("/", port=given_up).json()

    assert_as_before()
    (tmp_path / "go").touch()
    if done:
        eventually(lambda: runtime.ask("/", port=handed_on).json() == "new")
        eventually(lambda: _refuses(given_up))
    else:
        eventually(lambda: "reload: nothing is changed" in runtime.stderr())
        assert_as_before()


def test_a_reload_while_the_first_functions_are_made_ready_waits_for_them(tmp_path: Path) -> None:
    port = _free_port()
    function = _held_up(tmp_path, "pass")
    runtime = Up(tmp_path, [{**function, "trigger_port": port}])
    find_port = runtime._port
    runtime._port = lambda: 0  # type: ignore[method-assign]
    with runtime:
        eventually((tmp_path / "begun").exists)
        runtime.functions[:] = [function, {"id": "who"}]
        runtime.write()
        runtime.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)  # it would be under way
        (tmp_path / "go").touch()
        runtime.port = find_port()
        eventually(lambda: "INFO reloaded: " in runtime.stderr(), runtime.stderr())
        assert runtime.ask("/function/held_up").json() == "new"
        assert "pid" in runtime.ask("/function/who").json()
        assert _refuses(port)
        assert not runtime.stderr().count("Traceback")


def test_after_a_reload_logs_go_where_the_file_says(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does"}, log_dir=str(tmp_path / "before"))
    assert runtime.ask("/function/does?do=print&value=x").status == 200
    runtime.orchestrator["log_dir"] = str(tmp_path / "after")
    runtime.write()
    assert runtime.run("reload").stdout == "changed: does\n"
    assert runtime.ask("/function/does?do=print&value=y").status == 200
    logs = tmp_path / "after" / "does"
    eventually(lambda: [each.read_text() for each in logs.glob("*.log")] == ["y\n"])


@pytest.mark.parametrize(
    ("broken", "status", "why"),
    [
        ("functions: [", 2, "functions.yaml"),
        ("functions:\n- {id: noop, handler_path: 'fns:nothing'}\n", 2, "nothing"),
        (
            "orchestrator: {port: 1}\nfunctions:\n- {id: noop, handler_path: 'fns:noop'}\n",
            1,
            ".port cannot",
        ),
        (None, 2, "functions.yaml"),
    ],
)
def test_a_reload_that_cannot_be_changes_nothing(
    up: Start, broken: str | None, status: int, why: str
) -> None:
    runtime = up({"id": "noop"})
    instance = runtime.ask("/function/noop").headers["x-aether-instance"]
    if broken is None:
        runtime.file.unlink()
    else:
        environment = f"    environment: {{PYTHONPATH: {Path(__file__).parent}/functions}}\n"
        runtime.file.write_text(
            broken if "noop" not in broken else broken.replace("'}", f"', {environment.strip()}}}")
        )
    runtime.process.send_signal(signal.SIGHUP)
    eventually(lambda: "reload: nothing is changed" in runtime.stderr())
    assert why in runtime.stderr().partition("nothing is changed")[2]
    told = runtime.run("reload")
    assert told.returncode == status and why in told.stderr
    assert runtime.ask("/function/noop").headers["x-aether-instance"] == instance


def test_a_reload_whose_function_cannot_be_made_ready_changes_nothing(
    up: Start, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text("handler = 1\nraise RuntimeError('not now')\n")
    taken = _free_port()
    runtime = up({"id": "noop"})
    instance = runtime.ask("/function/noop").headers["x-aether-instance"]
    bad = {"id": "bad", "handler_path": "bad:handler", "trigger_port": taken,
           "environment": {"PYTHONPATH": str(tmp_path)}}  # fmt: skip
    runtime.functions[:] = [{"id": "noop", "timeout_ms": 1000}, bad]
    runtime.write()
    told = runtime.run("reload")
    assert told.returncode == 1 and "function bad: " in told.stderr and "not now" in told.stderr
    assert runtime.ask("/function/noop").headers["x-aether-instance"] == instance
    assert _refuses(taken)
    assert runtime.ask("/function/bad").status == 404


def test_reloads_right_after_each_other(up: Start) -> None:
    runtime = up({"id": "noop"})
    for number in range(10):
        runtime.functions[0]["timeout_ms"] = 1000 + number
        runtime.write()
        runtime.process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    eventually(lambda: runtime.stderr().count("INFO reloaded: ") >= 1)
    assert runtime.ask("/function/noop").status == 200


def test_the_end_during_a_reload_leaves_nothing(up: Start, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    (tmp_path / "slow.py").write_text(
        f"import time\nopen({str(begun)!r}, 'w').close()\ntime.sleep(600)\nhandler = print\n"
    )
    runtime = up({"id": "noop"}, shutdown_timeout_s=0.2)
    runtime.functions.append(
        {"id": "slow", "handler_path": "slow:handler", "ready_timeout_s": 500,
         "environment": {"PYTHONPATH": str(tmp_path)}}
    )  # fmt: skip
    runtime.write()
    runtime.process.send_signal(signal.SIGHUP)
    eventually(begun.exists)
    assert runtime.ask("/function/noop").status == 200
    runtime.process.send_signal(signal.SIGTERM)
    assert runtime.process.wait(WATCHDOG_S) == 0


def test_the_end_while_former_functions_finish_leaves_nothing(up: Start, tmp_path: Path) -> None:
    runtime = up({"id": "does", "timeout_ms": 800_000}, shutdown_timeout_s=0.3)
    with under_way(runtime, tmp_path / "never") as [held]:
        for number in range(2):
            runtime.functions[0]["timeout_ms"] = 700_000 + number
            runtime.write()
            assert runtime.run("reload").returncode == 0
        runtime.process.send_signal(signal.SIGTERM)
        assert runtime.process.wait(WATCHDOG_S) == 0
        assert held.result().status == 502
