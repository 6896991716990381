"""Functions are served: the plain cases, over HTTP, by a runtime of its own process."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway.conftest import Start


def test_a_function_answers_and_says_how_it_was_started(up: Start) -> None:
    runtime = up({"id": "noop"})
    cold, warm = runtime.ask("/function/noop"), runtime.ask("/function/noop")
    assert (cold.status, cold.json()) == (200, {})
    assert cold.headers["x-aether-start"] == "zygote"
    assert warm.headers["x-aether-start"] == "warm"
    assert cold.headers["x-aether-instance"] == warm.headers["x-aether-instance"]
    assert cold.headers["x-aether-request-id"] != warm.headers["x-aether-request-id"]
    phases = dict(re.findall(r"([a-z-]+);dur=([0-9.]+)", cold.headers["server-timing"]))
    assert {"gateway", "queue", "transport", "function", "start-created", "start-ready"} <= set(
        phases
    )
    assert float(phases["gateway"]) > 0
    told = re.findall(r"function;dur=([0-9.]+)", warm.headers["server-timing"])
    assert float(told[0]) > 0  # also of a handler that does nothing
    assert 0 < float(phases["start-created"]) <= float(phases["start-ready"])
    assert float(phases["start-ready"]) <= float(phases["queue"])
    assert "start-ready" not in warm.headers["server-timing"]


@pytest.mark.parametrize("start", ["spawn", "zygote", "criu"])
def test_each_start_serves(up: Start, start: str) -> None:
    runtime = up({"id": "who"}, start=start)
    answer = runtime.ask("/function/who")
    assert answer.status == 200, runtime.stderr()
    assert answer.headers["x-aether-start"] == start
    told = answer.json()
    assert told["environment"]["AETHER_FUNCTION"] == "who"
    assert told["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "who"
    assert 0 < told["remaining_ms"] <= 30000
    assert told["request_id"] == answer.headers["x-aether-request-id"]


def test_a_pool_hands_over_what_it_has_made_ahead(up: Start) -> None:
    runtime = up({"id": "who"}, warm_pool_size=2, restore_timeout_ms=10000)
    answer = runtime.ask("/function/who")
    assert answer.headers["x-aether-start"] == "warm_pool"
    [function] = runtime.state()
    assert function["pool"]["handed_over"] == 1


def test_curl_gets_what_it_sends(up: Start) -> None:
    runtime = up({"id": "echo"})
    data = os.urandom(100_000)
    url = f"http://127.0.0.1:{runtime.port}/function/echo"
    for content_type in ("application/octet-stream", "image/png"):
        got = subprocess.run(
            ["curl", "-sS", "--fail", "-H", f"content-type: {content_type}",
             "--data-binary", "@-", url],
            input=data, capture_output=True, timeout=60,
        )  # fmt: skip
        assert (got.returncode, got.stderr) == (0, b"")
        assert got.stdout == data


@pytest.mark.parametrize("size_bytes", [0, 1, 1 << 10, 1 << 16, 1 << 20, (4 << 20) - (200 << 10)])
def test_bodies_of_any_size(up: Start, size_bytes: int) -> None:
    runtime = up({"id": "echo"}, shm_buffer_size=8 << 20)
    data = os.urandom(size_bytes // 4 * 3)
    text = base64.b64encode(data)
    answer = runtime.ask("/function/echo", text, headers={"content-type": "text/plain"})
    assert (answer.status, answer.body) == (200, text)
    answer = runtime.ask("/function/echo", data, headers={"content-type": "x/binary"})
    assert (answer.status, answer.body) == (200, data)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_any_method_and_path_reach_the_function(up: Start, method: str) -> None:
    runtime = up({"id": "event"})
    answer = runtime.ask("/function/event/a%20b/c?x=1&x=2&y=%26", method=method)
    event = answer.json()
    assert event["requestContext"]["http"]["method"] == method
    assert event["rawPath"] == "/a b/c"
    assert event["rawQueryString"] == "x=1&x=2&y=%26"
    assert event["queryStringParameters"] == {"x": "1,2", "y": "&"}
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_head_is_a_get_without_the_body(up: Start) -> None:
    runtime = up({"id": "noop"})
    answer = runtime.ask("/function/noop", method="HEAD")
    assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "2")


# Knows how long its answers would be, as servers of files do; and tells the headers that it gets.
SIZED = """#!{python}
import http.server, json, os, socket

class Sized(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "12345")
        self.end_headers()

    def do_GET(self):
        told = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

server = http.server.HTTPServer(("127.0.0.1", int(os.environ["AETHER_TRIGGER_PORT"])), Sized)
ready = socket.socket(socket.AF_UNIX)
ready.connect(os.environ["AETHER_SOCKET"])
ready.sendall(b"READY")
server.serve_forever()
"""


def test_head_has_the_length_that_an_executable_tells(up: Start, tmp_path: Path) -> None:
    program = tmp_path / "sized"
    program.write_text(SIZED.format(python=sys.executable))
    program.chmod(0o700)
    runtime = up({"id": "sized", "handler_path": str(program)})
    for status, told in ((200, "12345"), (304, "12345"), (204, None)):
        answer = runtime.ask(f"/function/sized/{status}", method="HEAD")
        assert (answer.status, answer.headers.get("content-length")) == (status, told)


@pytest.mark.parametrize("kind", ["python", "executable"])
def test_header_names_with_an_underscore_do_not_arrive(
    up: Start, tmp_path: Path, kind: str
) -> None:
    program = tmp_path / "sized"
    program.write_text(SIZED.format(python=sys.executable))
    program.chmod(0o700)
    function = {"id": "event"}
    if kind == "executable":
        function["handler_path"] = str(program)
    runtime = up(function)
    sent = {"x_forwarded_for": "192.0.2.1", "X-Forwarded_For": "192.0.2.2", "x-kept": "yes"}
    told = runtime.ask("/function/event", headers=sent).json()
    headers = {name.lower(): value for name, value in told.get("headers", told).items()}
    assert headers["x-kept"] == "yes" and headers["x-forwarded-for"] == "127.0.0.1"
    assert not [name for name in headers if "_" in name]


def test_a_head_has_room_in_the_ring(up: Start) -> None:
    runtime = up({"id": "noop"}, shm_buffer_size=65536)
    for size_bytes, status in ((30_000, 200), (40_000, 431)):
        assert runtime.ask("/function/noop", headers={"x": "y" * size_bytes}).status == status


def test_a_function_has_a_port_of_its_own(up: Start) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runtime = up({"id": "event", "trigger_port": port}, {"id": "noop"})
    answer = runtime.ask("/function/noop/x", port=port)
    assert answer.json()["rawPath"] == "/function/noop/x"
    assert answer.json()["rawQueryString"] == ""


def test_the_routes_of_the_gateway(up: Start) -> None:
    runtime = up({"id": "noop"})
    assert runtime.ask("/healthz").json() == {"status": "ok"}
    assert runtime.ask("/readyz").status == 200
    assert runtime.ask("/function/none").status == 404
    assert runtime.ask("/function/").status == 404
    assert runtime.ask("/").status == 404
    denied = runtime.ask("/metrics", b"x")
    assert (denied.status, denied.headers["allow"]) == (405, "GET, HEAD")


def test_handlers_that_fail_cost_one_answer(up: Start) -> None:
    runtime = up({"id": "does"})
    first = runtime.ask("/function/does?do=raise&value=secret")
    assert (first.status, first.json()) == (500, {"message": "Internal Server Error"})
    assert runtime.ask("/function/does?do=set").status == 502
    assert runtime.ask("/function/does?do=header&value=a%0d%0ab").status == 502
    assert runtime.ask("/function/does?do=large&value=9999999").status == 502
    assert runtime.ask("/function/does?do=wide&value=200000").status == 502
    own = runtime.ask("/function/does?do=answer&value=418")
    assert (own.status, own.body, own.headers["x-own"]) == (418, b"own", "yes")
    [instance] = runtime.instances()
    assert instance["served"] == 6  # all by the same
    with open(instance["log"]) as log:
        printed = log.read()
    assert "ValueError: secret" in printed and first.headers["x-aether-request-id"] in printed


def test_metrics_are_prometheus(up: Start) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    runtime = up({"id": "noop"}, {"id": "does"})
    timing = runtime.ask("/function/noop").headers["server-timing"]
    began = {name: float(ms) for name, ms in re.findall(r"start-(\w+);dur=([\d.]+)", timing)}
    for _ in range(2):
        runtime.ask("/function/noop")
    for what in ("raise", "set", "answer&value=500"):
        runtime.ask(f"/function/does?do={what}")
    text = runtime.ask("/metrics").body.decode()
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return samples[(name, *sorted(labels.items()))]

    warm = value("aetherless_requests_total", function="noop", status="200", start="warm")
    cold = value("aetherless_requests_total", function="noop", status="200", start="zygote")
    assert (warm, cold) == (2, 1)
    assert value("aetherless_requests_total", function="does", status="500", start="zygote") == 1
    assert value("aetherless_handler_failures_total", function="does") == 2  # 500 may be meant
    assert value("aetherless_function_seconds_count", function="noop") == 3
    assert began.keys() >= {"created", "ready"}
    for moment, ms in began.items():
        told = value("aetherless_start_seconds_sum", function="noop", mode="zygote", moment=moment)
        assert told * 1e3 == pytest.approx(ms, abs=0.001)
    assert value("aetherless_instances", function="noop", state="idle") == 1
    buckets = [
        sample for key, sample in samples.items() if key[0] == "aetherless_queue_seconds_bucket"
    ]
    assert max(buckets) == 3
