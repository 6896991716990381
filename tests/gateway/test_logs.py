"""What handlers log by Python's `logging` comes into their instance's log, as at AWS."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Start
from tests.gateway.crowd import at_once
from tests.gateway.up import WATCHDOG_S, Up, eventually

# Level, time, the request's id, message.
RECORD = re.compile(r"\[(\w+)\]\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\t([\w-]*)\t(.*)")


def _lines(runtime: Up, count: int) -> list[str]:
    """The log of the function's only instance, as soon as it has so many lines."""
    [instance] = runtime.instances()
    log = Path(instance["log"])
    eventually(lambda: log.exists() and log.read_text().count("\n") >= count)
    return log.read_text().splitlines()


@pytest.mark.parametrize("start", ["zygote", "spawn"])
def test_records_have_their_requests_id(up: Start, start: str) -> None:
    runtime = up({"id": "logs", "handler_path": "logs:handler", "start": start})
    ids = [runtime.ask("/function/logs").headers["x-aether-request-id"] for _ in range(2)]
    lines = [RECORD.fullmatch(line) for line in _lines(runtime, 4)]
    assert [found and found.groups() for found in lines] == [
        (level, each, f"{word} {each}")
        for each in ids
        for level, word in (("INFO", "first"), ("WARNING", "second"))
    ]


def test_records_of_requests_at_the_same_time_have_each_its_own(up: Start, tmp_path: Path) -> None:
    runtime = up(
        {"id": "logs", "handler_path": "logs:handler", "concurrency": 4, "max_instances": 1}
    )
    (tmp_path / "in").mkdir()
    path = f"/function/logs?count=4&folder={tmp_path / 'in'}"
    ids = {each.headers["x-aether-request-id"] for each in at_once(runtime, [path] * 4)}
    lines = _lines(runtime, 8)
    assert [line.split("\t")[3].split()[0] for line in lines] == ["first"] * 4 + ["second"] * 4
    for line in lines:
        found = RECORD.fullmatch(line)
        assert found and found[3].endswith(f" {found[2]}"), line
    assert {line.split("\t")[2] for line in lines} == ids


def test_a_thread_of_the_functions_own_logs_for_the_only_request(up: Start) -> None:
    runtime = up({"id": "logs", "handler_path": "logs:with_thread"})
    own = runtime.ask("/function/logs").headers["x-aether-request-id"]
    [line] = _lines(runtime, 1)
    assert line.split("\t")[2:] == [own, f"first {own}"]


def test_a_function_that_sets_it_up_itself_is_left_alone(up: Start) -> None:
    runtime = up({"id": "own", "handler_path": "own_logs:handler"})
    assert runtime.ask("/function/own").status == 200
    assert _lines(runtime, 1) == ["own once"]


def test_the_form_is_that_of_awss_client() -> None:
    pytest.importorskip("awslambdaric.bootstrap")
    ours, theirs = (
        "from aetherless_py.runtime import handler_logs\nhandler_logs.install(1).begin('id-1')\n",
        "from awslambdaric import bootstrap\n"
        "sink = bootstrap.StandardLogSink()\n"
        "bootstrap._setup_logging(bootstrap.LogFormat.from_str(None), None, sink)\n"
        "bootstrap._GLOBAL_AWS_REQUEST_ID = 'id-1'\n",
    )
    log = "import logging\nlogging.warning('some %s', 'words')\n"
    told = []
    for setting_up in (ours, theirs):
        done = subprocess.run(
            [sys.executable, "-c", setting_up + log],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=WATCHDOG_S,
        )  # fmt: skip
        assert RECORD.fullmatch(done.stdout.removesuffix("\n")), done.stdout
        told.append(re.sub(r"\d", "0", done.stdout))
    assert told[0] == told[1]


IN_JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}


@pytest.mark.parametrize("start", ["zygote", "spawn", "criu"])
def test_logs_in_json(up: Start, start: str) -> None:
    runtime = up(
        {"id": "logs", "handler_path": "json_logs:handler", "environment": IN_JSON, "start": start}
    )
    first = runtime.ask("/function/logs").headers["x-aether-request-id"]
    assert runtime.ask("/function/logs/raise").status == 500
    assert runtime.ask("/function/logs/set").status == 502
    lines = _lines(runtime, 15 if start == "spawn" else 14)
    if start == "spawn":  # of others, what they print at their import is the template's
        imported = json.loads(lines.pop(0))
        assert imported["message"] == "imported"
        assert (imported["handlers"], imported["requestId"]) == (1, "")
    assert lines.count("printed") == 3
    told: list[dict[str, Any]] = [json.loads(line) for line in lines if line != "printed"]
    for each in told:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", each.pop("timestamp"))
    said, event, failed = told[:3]
    assert said == {
        "level": "INFO",
        "message": "said it",
        "logger": "of.the.function",
        "requestId": first,
        "order": 7,
        "when": "<class 'object'>",
    }
    assert (event["level"], event["message"]) == ("WARNING", {"event": "told", "count": 2})
    assert (failed["level"], failed["errorType"], failed["errorMessage"]) == (
        "ERROR", "KeyError", "'x'",
    )  # fmt: skip
    assert "raise KeyError" in failed["stackTrace"][-1]
    assert re.fullmatch(r".*/json_logs\.py:handler:\d+", failed["location"])
    raised, refused = (each for each in told if "logger" not in each)
    assert raised["errorType"] == "ValueError"
    assert raised["errorMessage"] == "not handled"
    assert raised["level"] == "ERROR"
    assert raised["requestId"] != first
    [frame] = raised["stackTrace"]
    assert "json_logs.py" in frame and "raise ValueError" in frame
    assert "Object of type set" in refused["errorMessage"]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"AWS_LAMBDA_LOG_LEVEL": "ERROR"}, ["failed"]),
        ({"AWS_LAMBDA_LOG_FORMAT": "Text"}, ["{'event': 'told', 'count': 2}", "failed"]),
    ],
)
def test_who_asks_has_the_handler_before_the_import(
    up: Start, asked: dict[str, str], shown: list[str]
) -> None:
    runtime = up({"id": "logs", "handler_path": "json_logs:handler", "environment": asked})
    own = runtime.ask("/function/logs").headers["x-aether-request-id"]
    eventually(lambda: "printed" in _lines(runtime, 1))
    found = [match.groups() for line in _lines(runtime, 1) if (match := RECORD.fullmatch(line))]
    assert found == [("ERROR" if each == "failed" else "WARNING", own, each) for each in shown]


# Logs by both and compares: with the same time, thread and process.
_BOTH = r"""
import decimal, io, logging, os, sys, time
sys.stdout = sys.stderr = written = io.StringIO()
os.environ.update(AWS_LAMBDA_LOG_FORMAT=sys.argv[1], AWS_LAMBDA_LOG_LEVEL=sys.argv[2])
root = logging.getLogger()
if sys.argv[3] == "theirs":
    from awslambdaric import bootstrap
    class Sink(bootstrap.StandardLogSink):  # entries end at AWS without a line's end, too
        def log(self, message, frame_type=None):
            written.write(message.removesuffix("\n") + "\n")
    bootstrap._setup_logging(
        bootstrap._AWS_LAMBDA_LOG_FORMAT, bootstrap._AWS_LAMBDA_LOG_LEVEL, Sink()
    )
    bootstrap._GLOBAL_AWS_REQUEST_ID = "id-1"
else:
    from aetherless_py.runtime import handler_logs
    handler_logs.install(1, sys.argv[1].upper() == "JSON", sys.argv[2]).begin("id-1")
logging.addLevelName(25, "ODD")
time.time, time.time_ns = lambda: 1795647193.456, lambda: 1795647193456000000  # both by one clock
for level in (5, 10, 20, 25, 30, 40, 50, 70):
    logging.getLogger("a.b").log(level, "at %d", level)
logging.error({"a": decimal.Decimal("1.5"), "b": (1, 2), "c": "\u00e9"})
logging.error({"a": 1}, extra={"message_": 1, "location": "mine", "logger": "mine", "none": None})
logging.error("many %s\nlines", "x", stack_info=True)
class Error(Exception):
    pass
try:
    raise Error("deep")
except Error:
    logging.exception("with %s", "trace")
    logging.error("with", exc_info=True)
sys.__stdout__.write(written.getvalue())
"""


@pytest.mark.parametrize("form", ["JSON", "json", "Text", "other"])
@pytest.mark.parametrize("level", ["", "DEBUG", "info", "TRACE", "WARN", "FATAL", "nonsense"])
def test_forms_and_levels_are_those_of_awss_client(form: str, level: str) -> None:
    pytest.importorskip("awslambdaric.bootstrap")
    told = [
        subprocess.run(
            [sys.executable, "-c", _BOTH, form, level, whose],
            stdout=subprocess.PIPE, text=True, timeout=WATCHDOG_S, check=True,
        ).stdout
        for whose in ("ours", "theirs")
    ]  # fmt: skip
    assert told[0] == told[1]
    assert told[0]


def test_an_exception_in_json_is_that_of_awss_client() -> None:
    bootstrap = pytest.importorskip("awslambdaric.bootstrap")
    marshaller = pytest.importorskip("awslambdaric.lambda_runtime_marshaller")
    from aetherless_py.runtime import handler_logs

    def fails() -> None:
        raise ValueError("deep \u00e9")

    try:
        fails()
    except ValueError as error:
        ours = json.loads(handler_logs.failure(error, "id-1"))
        frames = bootstrap.extract_traceback(error.__traceback__)[1:]
    made = bootstrap.make_error(
        "deep \u00e9", "ValueError", bootstrap.traceback.format_list(frames), "id-1"
    )
    theirs = json.loads(marshaller.to_json(made))
    assert {name: ours[name] for name in theirs} == theirs
    assert ours.keys() - theirs.keys() == {"timestamp", "level"}
