"""Functions find what they find at AWS: their folder, their context, what becomes of answers."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from tests.gateway.conftest import Start
from tests.gateway.functions.as_at_aws import ANSWERS
from tests.gateway.up import FUNCTIONS

STARTS = ["spawn", "zygote", "criu"]


def test_answers_are_what_awss_client_makes_of_them(up: Start) -> None:
    marshaller = pytest.importorskip("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()
    runtime = up({"id": "answers", "handler_path": "as_at_aws:answers"})
    for name, given in ANSWERS.items():
        posted, _ = marshaller.marshal_response(given)
        expected = json.loads(posted, parse_float=Decimal)
        answer = runtime.ask(f"/function/answers/{name}")
        if "statusCode" in expected:
            assert answer.status == expected["statusCode"], name
            body = b"hi" if name == "bytes_base64" else expected["body"].encode()
            assert answer.body == body, name
            for header, value in expected.get("headers", {}).items():
                assert answer.headers[header] == str(value)
        else:
            assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
            assert json.loads(answer.body, parse_float=Decimal) == expected, name


@pytest.mark.parametrize("start", STARTS)
def test_the_functions_folder_is_its_working_folder(
    up: Start, start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")  # the runtime is started elsewhere
    runtime = up({"id": "place", "handler_path": "as_at_aws:place"}, start=start)
    answer = runtime.ask("/function/place")
    assert answer.headers["x-aether-start"] == start, runtime.stderr()
    told = answer.json()
    assert told["folder"] == told["at_import"]["folder"] == str(FUNCTIONS)
    assert told["beside"] == "beside\n"
    environment = told["environment"]
    assert environment["LAMBDA_TASK_ROOT"] == environment["PWD"] == str(FUNCTIONS)
    assert environment["AWS_LAMBDA_LOG_STREAM_NAME"] == told["stream"]
    assert environment["AETHER_INSTANCE_ID"] in told["stream"]
    assert told["at_import"]["stream"] is None  # not known yet: as with SnapStart
    assert os.path.isdir(environment["LAMBDA_RUNTIME_DIR"])


def test_the_functions_folder_is_that_of_its_module(up: Start, tmp_path: Path) -> None:
    """Of a package: the folder that the package lies in; else the configuration's."""
    code = "import os\ndef handler(event, context): return os.environ['LAMBDA_TASK_ROOT']\n"
    (tmp_path / "code" / "package").mkdir(parents=True)
    (tmp_path / "code" / "package" / "inner.py").write_text(code)
    elsewhere = {"PYTHONPATH": f"{FUNCTIONS}:{tmp_path / 'code'}"}
    runtime = up({"id": "a", "handler_path": "package.inner:handler", "environment": elsewhere})
    assert runtime.ask("/function/a").json() == str(tmp_path / "code")
    (runtime.folder / "own.py").write_text(code)
    runtime.functions = [{"id": "a", "handler_path": "own:handler"}]
    runtime.write()
    assert runtime.run("reload").returncode == 0
    assert runtime.ask("/function/a").json() == str(runtime.folder)
    runtime.functions = [{"id": "a", "handler_path": "os.path:basename"}]
    runtime.write()
    assert runtime.run("reload").returncode == 0  # of the interpreter's own


@pytest.mark.parametrize("start", ["spawn", "zygote"])
def test_the_context_is_each_calls_own(up: Start, start: str) -> None:
    runtime = up({"id": "identity", "handler_path": "as_at_aws:identity", "start": start})
    for _ in range(2):
        answer = runtime.ask("/function/identity").json()
        assert answer == {"identity": None, "parameters": {"kept": 1}, "before": False}


def test_the_arn_is_of_the_functions_region(up: Start) -> None:
    region = {"AWS_REGION": "eu-west-1"}
    runtime = up({"id": "arn", "handler_path": "as_at_aws:arn", "environment": region})
    arn = runtime.ask("/function/arn").json()
    assert arn == "arn:aws:lambda:eu-west-1:000000000000:function:arn"


@pytest.mark.parametrize("pool", [0, 1])
def test_threads_that_a_fork_loses_are_told(up: Start, pool: int) -> None:
    threaded = {"id": "threaded", "handler_path": "threaded:names"}
    runtime = up(threaded, {"id": "noop"}, warm_pool_size=pool, restore_timeout_ms=10000)
    assert runtime.ask("/function/threaded").json() == ["MainThread"]
    [warning] = [line for line in runtime.stderr().splitlines() if "threads" in line]
    assert "WARNING threaded: its import began 2 threads that its instances do not have" in warning
    assert "beats" in warning and "pool_0" in warning
    assert "set start: spawn or start: criu" in warning


@pytest.mark.parametrize("start", ["spawn", "criu"])
def test_such_a_function_can_be_started_so_that_they_live(up: Start, start: str) -> None:
    runtime = up({"id": "threaded", "handler_path": "threaded:alive", "start": start})
    for _ in range(2):
        answer = runtime.ask("/function/threaded")
        assert answer.json() == {"beats": True, "pool": 42}, runtime.stderr()
    assert "threads" not in runtime.stderr()
