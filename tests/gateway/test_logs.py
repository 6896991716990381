"""What handlers log by Python's `logging` comes into their instance's log, as at AWS."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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
