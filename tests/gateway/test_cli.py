"""The command line against a runtime that is up: what is printed, and the exit status."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Start
from tests.gateway.up import Up, eventually


@pytest.fixture
def runtime(up: Start) -> Up:
    return up({"id": "event"}, {"id": "does"}, {"id": "echo"})


def test_invoke_prints_the_body(runtime: Up) -> None:
    done = runtime.run("invoke", "echo", "-d", "some text", "-H", "content-type: text/plain")
    assert (done.returncode, done.stdout, done.stderr) == (0, "some text", "")


def test_invoke_passes_everything_on(runtime: Up) -> None:
    done = runtime.run(
        "invoke", "event", "-X", "PUT", "-H", "X-One: 1", "--header", "x-two:2",
        "--path", "a/b?c=d", "-d", "{}", "--timeout", "60", "-p", str(runtime.port),
    )  # fmt: skip
    event = json.loads(done.stdout)
    assert event["requestContext"]["http"]["method"] == "PUT"
    assert (event["rawPath"], event["rawQueryString"]) == ("/a/b", "c=d")
    assert (event["headers"]["x-one"], event["headers"]["x-two"]) == ("1", "2")
    odd = ("-H", "x-one: 1", "-H", "X-One: 2", "--path", "/a b/ü%2f#?q=1 2&r=%20")
    event = json.loads(runtime.run("invoke", "event", *odd).stdout)
    assert event["headers"]["x-one"] == "1,2"
    assert (event["rawPath"], event["rawQueryString"]) == ("/a b/ü/#", "q=1%202&r=%20")
    plain = json.loads(runtime.run("invoke", "event").stdout)
    assert plain["requestContext"]["http"]["method"] == "GET"


def test_invoke_takes_a_file_or_the_standard_input(runtime: Up, tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_text("of a file")
    text = ("-H", "content-type: text/plain")
    assert runtime.run("invoke", "echo", "-d", f"@{file}", *text).stdout == "of a file"
    assert runtime.run("invoke", "echo", "-d", "-", *text, input="piped").stdout == "piped"
    done = runtime.run("invoke", "echo", "-d", f"@{file}.none")
    assert (done.returncode, done.stdout) == (1, "") and "No such file" in done.stderr


def test_invoke_passes_on_what_is_no_text(runtime: Up) -> None:
    # Python reads the byte FF of the command line as this half of a surrogate pair.
    done = runtime.run("invoke", "event", "-d", "a\udcff", "--path", "/\udcff")
    event = json.loads(done.stdout)
    assert base64.b64decode(event["body"]) == b"a\xff" and event["isBase64Encoded"]
    assert event["rawPath"] == b"/\xff".decode(errors="replace")
    done = runtime.run("invoke", "\udcff")
    assert (done.returncode, done.stderr) == (1, "aetherless: status 404\n")


def test_invoke_shows_status_and_headers(runtime: Up) -> None:
    done = runtime.run("invoke", "does", "-i", "--path", "/?do=answer&value=418")
    head, _, body = done.stdout.partition("\n\n")
    assert head.startswith("HTTP 418") and "x-own: yes" in head and "x-aether-start: " in head
    assert (done.returncode, body) == (1, "own")


def test_invoke_fails_as_the_function_does(runtime: Up) -> None:
    done = runtime.run("invoke", "does", "--path", "/?do=raise&value=x")
    assert done.returncode == 1 and "Internal Server Error" in done.stdout
    assert done.stderr == "aetherless: status 500\n"
    done = runtime.run("invoke", "nothing")
    assert done.returncode == 1 and done.stderr == "aetherless: status 404\n"
    done = runtime.run("invoke", "does", "--path", "/?do=sleep&value=2", "--timeout", "0.1")
    assert done.returncode == 1 and "no answer" in done.stderr


def test_what_is_wrong_is_one_clear_line(runtime: Up) -> None:
    for arguments, status, why in (
        (["invoke"], 2, "function"),
        (["invoke", "does", "-H", "no colon"], 2, "NAME: VALUE"),
        (["invoke", "does", "-H", "x: \udcff"], 2, "Latin-1"),
        (["invoke", "does", "-H", ": x"], 2, "--header"),
        (["invoke", "does", "-X", "\udcff"], 2, "--method"),
        (["invoke", "does", "--timeout", "soon"], 2, "--timeout"),
        (["invoke", "does", "--timeout", "inf"], 2, "'inf' is not within 0.001 to 86400 seconds"),
        (["down", "--timeout", "nan"], 2, "--timeout"),
        (["stats", "--interval", "-1"], 2, "--interval"),
        (["list", "-p", "70000"], 2, "'70000' is not within 1 to 65535"),
        (["list", "-p", "1"], 1, "no runtime answers there"),
        (["no-such-command"], 2, "no-such-command"),
        ([], 2, "COMMAND"),
        (["up"], 2, "--config"),
        (["up", "-c", "/nowhere.yaml"], 2, "/nowhere.yaml"),
        (["validate", "-c", "/nowhere.yaml"], 2, "/nowhere.yaml"),
    ):
        done = runtime.run(*arguments)
        assert (done.returncode, done.stdout) == (status, ""), arguments
        assert why in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_list_and_stats(runtime: Up) -> None:
    assert runtime.run("invoke", "does").returncode == 0
    listed = runtime.run("list")
    for name in ("event", "does", "echo", "fns:does", "zygote"):
        assert name in listed.stdout
    told: dict[str, Any] = json.loads(runtime.run("list", "--json").stdout)
    assert told["port"] == runtime.port and told["pid"] == runtime.process.pid and told["ready"]
    assert [len(each["instances"]) for each in told["functions"]] == [0, 1, 0]
    once = runtime.run("stats", "--once")
    assert once.returncode == 0 and "served" in once.stdout and "does" in once.stdout
    assert runtime.run("stats").returncode == 0  # no terminal: as with --once
    stats = json.loads(runtime.run("stats", "--json").stdout)
    assert [each["served"] for each in stats] == [0, 1, 0]


def test_validate_tells_all_that_is_wrong(runtime: Up) -> None:
    done = runtime.run("validate", "-c", str(runtime.file))
    assert done.returncode == 0 and "event, does, echo" in done.stdout
    told = runtime.run("validate", "-c", str(runtime.file), "--json", "-s", "port=9000")
    assert json.loads(told.stdout)["orchestrator"]["port"] == 9000
    runtime.file.write_text(
        "functions:\n- {id: a b, handler_path: 'x:y'}\n"
        "- {id: c, handler_path: 'x:y', timeout_ms: 0}\n"
    )
    done = runtime.run("validate", "-c", str(runtime.file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "functions[0].id" in done.stderr and "functions[1].timeout_ms" in done.stderr


def test_down_waits_for_the_end(runtime: Up) -> None:
    done = runtime.run("down")
    assert (done.returncode, done.stderr) == (0, "")
    assert runtime.process.wait(60) == 0  # it has ended, only not been reaped
    done = runtime.run("down")
    assert done.returncode == 1 and "no runtime is up" in done.stderr


def test_down_of_one_that_ends_right_after_it_was_asked(tmp_path: Path) -> None:
    runtime = Up(tmp_path, [])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    runtime.runtime_folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(60)
        listener.bind(str(runtime.runtime_folder / "9.sock"))
        listener.listen()
        with ThreadPoolExecutor(1) as thread:
            done = thread.submit(runtime.run, "down", "-p", "9")
            client, _ = listener.accept()
            with client:
                assert client.recv(4096).startswith(b"GET /state ")
                client.sendall(b'HTTP/1.0 200 OK\r\n\r\n{"pid": %d}' % ended.pid)
            assert (done.result().returncode, done.result().stderr) == (0, "")


def test_down_says_when_it_is_not_waited_for(up: Start, tmp_path: Path) -> None:
    from tests.gateway.crowd import under_way

    runtime = up({"id": "does"}, shutdown_timeout_s=60)
    with under_way(runtime, tmp_path / "go"):
        done = runtime.run("down", "--timeout", "0.1")
        assert done.returncode == 1 and "has not ended within 0.1 s" in done.stderr
    assert runtime.process.wait(60) == 0


def test_of_two_runtimes_one_must_be_named(up: Start, tmp_path: Path) -> None:
    first = up({"id": "noop"})
    (tmp_path / "second").mkdir()
    second = Up(tmp_path / "second", [{"id": "who"}])
    second.runtime_folder = first.runtime_folder
    second.environment = first.environment
    second.__enter__()  # what it leaves is seen when the first one ends
    try:
        for command in (["list"], ["stats", "--once"], ["reload"], ["down"], ["invoke", "noop"]):
            done = first.run(*command)
            assert done.returncode == 1 and "say which by --port" in done.stderr
            assert str(first.port) in done.stderr and str(second.port) in done.stderr
        assert first.run("invoke", "noop", "-p", str(first.port)).returncode == 0
        assert first.run("invoke", "who", "-p", str(second.port)).returncode == 0
        assert first.run("reload", "-p", str(second.port)).stdout == "kept: who\n"
        assert first.run("down", "-p", str(second.port)).returncode == 0
    finally:
        second.process.kill()
        second.process.wait()
        assert second.process.stdout is not None
        second.process.stdout.close()
    assert first.run("invoke", "noop").returncode == 0


def test_one_that_hangs_is_not_taken_for_none(runtime: Up) -> None:
    runtime.process.send_signal(signal.SIGSTOP)
    try:
        done = runtime.run("list")
    finally:
        runtime.process.send_signal(signal.SIGCONT)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{runtime.port}.sock: no runtime answers there (timed out)\n")
    assert runtime.run("list").returncode == 0


def test_a_port_that_is_taken_is_said(runtime: Up, tmp_path: Path) -> None:
    done = runtime.run("up", "-c", str(runtime.file), "-s", f"port={runtime.port}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {runtime.port} of 127.0.0.1 is in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    eventually(lambda: len(list(runtime.runtime_folder.iterdir())) == 2)  # only the first's


def test_a_host_that_is_none_of_this_machines_is_said(tmp_path: Path) -> None:
    runtime = Up(tmp_path, [{"id": "noop"}], {"host": "203.0.113.5", "port": 9})
    done = runtime.run("up", "-c", str(runtime.file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "aetherless: the gateway: port 9 of 203.0.113.5 cannot be listened on:"
        " Cannot assign requested address; is orchestrator.host right?\n"
    )
    assert not list(runtime.runtime_folder.iterdir())


def test_a_folder_for_logs_that_cannot_be_is_said(up: Start, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    runtime = Up(tmp_path, [{"id": "noop"}], {"log_dir": str(file)})
    done = runtime.run("up", "-c", str(runtime.file))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    what = f"orchestrator.log_dir: nothing can be written to '{file}': "
    assert what in done.stderr and done.stderr.endswith("; name another folder\n")
    assert not list(runtime.runtime_folder.iterdir())
    runtime = up({"id": "noop"})
    runtime.orchestrator["log_dir"] = str(file)
    runtime.write()
    assert what in runtime.run("reload").stderr
    assert runtime.ask("/function/noop").status == 200


def test_an_address_of_ipv6_is_said_as_urls_have_it(up: Start) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    runtime = up({"id": "noop"}, host="::1")
    assert f"http://[::1]:{runtime.port}\n" in runtime.said[-1]
    assert runtime.run("invoke", "noop").stdout == "{}"


def test_a_folder_too_deep_for_its_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90)
    deep.mkdir(mode=0o700)
    done = subprocess.run(
        [sys.executable, "-m", "aetherless_py.cli", "list"],
        env={**os.environ, "AETHERLESS_RUNTIME_DIR": str(deep)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "set AETHERLESS_RUNTIME_DIR to a folder whose path has 96 bytes" in done.stderr
    assert done.stderr.count("\n") == 1
