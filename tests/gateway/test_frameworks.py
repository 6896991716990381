"""Web frameworks that others wrote, behind their adapters for Lambda, as their pages show them."""

from __future__ import annotations

import http.client
import json
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.up import Up, eventually

FOLDER = Path(__file__).resolve().parents[1] / "runtime" / "functions" / "frameworks"
JSON = {"content-type": "application/json"}


def served(up: Start, name: str, handler: str = "handler", **more: object) -> Up:
    """A function of the module `with_<name>`, which may take its time to be imported."""
    return up(
        {
            "id": name,
            "handler_path": f"with_{name}:{handler}",
            "environment": {"PYTHONPATH": str(FOLDER)},
            "ready_timeout_s": 60.0,
            "memory_limit_mb": 256,
            **more,
        }
    )


def cookies(runtime: Up, path: str, body: bytes, headers: dict[str, str]) -> list[str]:
    """Those that an answer sets, without their attributes."""
    connection = http.client.HTTPConnection("127.0.0.1", runtime.port, timeout=60)
    try:
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        assert response.status == 201
        return [each.partition(";")[0] for each in response.headers.get_all("set-cookie") or []]
    finally:
        connection.close()


@pytest.mark.parametrize("start", ["zygote", "spawn"])
def test_fastapi_behind_mangum(up: Start, start: str) -> None:
    runtime = served(up, "fastapi", start=start)
    path = "/function/fastapi"
    assert runtime.ask(f"{path}/notes/7").json() == {"text": "note 7 \xe9"}
    assert runtime.ask(f"{path}/notes/7?upper=true").json() == {"text": "NOTE 7 \xc9"}
    missing = runtime.ask(f"{path}/notes/100")
    assert (missing.status, missing.json()) == (404, {"detail": "no such note"})
    wrong = runtime.ask(f"{path}/notes/x")
    assert wrong.status == 422
    note = b'{"text": "hello", "stars": 3}'
    written = runtime.ask(f"{path}/notes", note, headers=JSON)
    assert (written.status, written.json()) == (
        201,
        {"note": json.loads(note), "function": "fastapi", "client": "127.0.0.1"},
    )
    assert cookies(runtime, f"{path}/notes", note, JSON) == ["last=hello", "stars=3"]
    image = runtime.ask(f"{path}/image")
    assert (image.headers["content-type"], image.body) == ("image/png", b"\x89PNG\xff\x00")
    assert "paths" in runtime.ask(f"{path}/openapi.json").json()


def test_flask_behind_apig_wsgi(up: Start) -> None:
    runtime = served(up, "flask")
    path = "/function/flask"
    read = runtime.ask(f"{path}/notes/7?upper=a%20b")
    assert read.json() == {"text": "note 7 \xe9", "upper": "a b"}
    assert runtime.ask(f"{path}/notes/100").status == 404
    form = {"content-type": "application/x-www-form-urlencoded", "cookie": "a=b; last=then"}
    posted = runtime.ask(f"{path}/form", b"name=Ada+L", headers=form)
    assert (posted.status, posted.body) == (201, b"Ada L from 127.0.0.1")
    assert cookies(runtime, f"{path}/form", b"name=Ada", form) == ["last=Ada", "seen=then"]
    data = bytes(range(256))
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        + data
        + b"\r\n--x--\r\n"
    )
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert runtime.ask(f"{path}/upload", parts, headers=kind).body == data


def test_powertools_resolver_logger_and_metrics(up: Start) -> None:
    runtime = served(up, "powertools")
    path = "/function/powertools"
    read = runtime.ask(f"{path}/notes/7")
    assert (read.status, read.json()) == (200, {"text": "note 7"})
    assert runtime.ask(f"{path}/notes/100").status == 404
    written = runtime.ask(f"{path}/notes", b'{"text": "hello", "stars": 3}', headers=JSON)
    assert (written.status, written.json()) == (201, {"text": "hello"})
    log = Path(runtime.instances()[0]["log"])
    eventually(lambda: log.exists() and '"written"' in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines() if line[0] == "{"]
    said = {line["message"]: line for line in lines if "message" in line}
    assert said["read"]["function_name"] == "powertools"
    assert said["read"]["function_request_id"] == read.headers["x-aether-request-id"]
    assert said["read"]["correlation_id"] == read.headers["x-aether-request-id"]
    assert (said["read"]["cold_start"], said["written"]["cold_start"]) == (True, False)
    assert (said["written"]["stars"], said["written"]["level"]) == (3, "WARNING")
    metrics = [line for line in lines if "_aws" in line]
    assert {"ColdStart", "Read"} <= {name for line in metrics for name in line}
    assert any(line.get("function_name") == "powertools" for line in metrics)


def test_powertools_takes_the_rest_form(up: Start) -> None:
    runtime = served(up, "powertools", "rest", event_format="1.0")
    assert runtime.ask("/function/powertools/notes/7").json() == {"text": "note 7"}
    assert runtime.ask("/function/powertools/notes/100").status == 404


def test_chalice_takes_the_rest_form(up: Start) -> None:
    runtime = served(up, "chalice", "app", event_format="1.0")
    path = "/function/chalice"
    assert runtime.ask(path).json() == {"query": None}
    assert runtime.ask(f"{path}/?a=1&a=2&b=c").json() == {"query": {"a": "2", "b": "c"}}
    read = runtime.ask(f"{path}/notes")
    assert read.json() == {"host": f"127.0.0.1:{runtime.port}", "client": "127.0.0.1"}
    assert read.headers["access-control-allow-origin"] == "*"
    written = runtime.ask(f"{path}/notes", b'{"text": "hello"}', headers=JSON)
    assert (written.status, written.json()) == (201, {"text": "hello", "function": "chalice"})
    assert written.headers["x-stars"] == "3"
    assert cookies(runtime, f"{path}/notes", b'{"text": "hello"}', JSON) == ["a=1", "b=2"]
    missing = runtime.ask(f"{path}/missing")
    assert (missing.status, missing.json()["Code"]) == (404, "NotFoundError")
    assert runtime.ask(f"{path}/notes", b"", "PUT").status == 405
    kind = {"content-type": "application/octet-stream", "accept": "image/png"}
    assert runtime.ask(f"{path}/binary", b"\x00\xff!", headers=kind).body == b"!\xff\x00"


def test_chalice_is_told_its_routes(up: Start) -> None:
    routes = ["/notes", "/notes/{number}/{part}"]
    runtime = served(up, "chalice", "app", event_format="1.0", routes=routes)
    told = runtime.ask("/function/chalice/notes/7/a%20b").json()
    assert told == ["7", "a b", {"number": "7", "part": "a b"}]
    assert runtime.ask("/function/chalice/notes").status == 200
    assert runtime.ask("/function/chalice/notes/7").status == 405  # no view of it


def test_chalice_says_what_is_wrong_with_the_other_form(up: Start) -> None:
    runtime = served(up, "chalice", "app")
    answer = runtime.ask("/function/chalice/")
    assert (answer.status, answer.json()["Message"]) == (500, "Unknown request.")
