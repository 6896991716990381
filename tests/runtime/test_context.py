"""The context object and the environment, beside those of AWS's own runtime client."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from aetherless_py.runtime.context import Context, environment_of
from aetherless_py.start import worker

from .support import FUNCTIONS


def context(name: str = "hello", remaining_ms: int = 3000) -> Context:
    return Context(name, 128, "i-7", "id-1", time.monotonic_ns() + remaining_ms * 1_000_000)


def test_it_is_what_awss_client_would_give(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs: Any = pytest.importorskip("awslambdaric.lambda_context")
    for key, value in environment_of("hello", 128, "app:handler", {}).items():
        monkeypatch.setenv(key, value)
    other = theirs.LambdaContext("id-1", None, None, int(time.time() * 1000) + 3000)
    ours = context()
    for name in (
        "aws_request_id",
        "client_context",
        "function_name",
        "function_version",
        "log_group_name",
        "memory_limit_in_mb",
        "tenant_id",
    ):
        assert getattr(ours, name) == getattr(other, name), name
        assert type(getattr(ours, name)) is type(getattr(other, name)), name
    assert abs(ours.get_remaining_time_in_millis() - other.get_remaining_time_in_millis()) < 1000


def test_what_an_instance_has_of_its_own() -> None:
    assert context().log_stream_name == "[$LATEST]i-7"
    assert context().invoked_function_arn == (
        "arn:aws:lambda:us-east-1:000000000000:function:hello"
    )
    context_there = Context("hello", 128, "i-7", "id-1", 0, "eu-west-1")
    assert ":eu-west-1:" in context_there.invoked_function_arn


def test_the_identity_is_of_nobody_and_each_calls_own(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs: Any = pytest.importorskip("awslambdaric.lambda_context")
    ours, other = context(), theirs.LambdaContext("id-1", None, None, 0)
    for name in ("cognito_identity_id", "cognito_identity_pool_id"):
        assert getattr(ours.identity, name) is getattr(other.identity, name) is None
    assert "cognito_identity_id=None" in repr(ours.identity)
    ours.identity.cognito_identity_id = "somebody"
    assert ours.identity.cognito_identity_id == "somebody"
    assert context().identity.cognito_identity_id is None
    identities: list[Any] = [ours.identity, other.identity]
    for each in identities:
        with pytest.raises(AttributeError):
            each.anything = 1


def test_it_has_all_that_awss_has() -> None:
    theirs: Any = pytest.importorskip("awslambdaric.lambda_context")
    other = theirs.LambdaContext("id-1", None, None, 0)
    for name in (each for each in dir(other) if not each.startswith("_")):
        assert hasattr(context(), name), name
    assert context().w3c() == other.w3c() == {}


def test_the_time_that_remains() -> None:
    assert 0 < context(remaining_ms=50_000).get_remaining_time_in_millis() <= 50_000
    assert context(remaining_ms=-50).get_remaining_time_in_millis() == 0
    assert type(context().get_remaining_time_in_millis()) is int


def test_log_writes_entries(capsys: pytest.CaptureFixture[str]) -> None:
    context().log("one")
    context().log("two\n")
    context().log({"three": 3})
    assert capsys.readouterr().out == "one\ntwo\n{'three': 3}\n"


def test_repr_and_attributes_of_the_functions_own() -> None:
    assert repr(context()).startswith("Context(aws_request_id='id-1', function_name='hello', ")
    assert "[$LATEST]i-7" in repr(context())
    one: Any = context()
    with pytest.raises(AttributeError, match="'Context' object has no attribute 'parameters'"):
        one.parameters  # noqa: B018
    one.parameters = {"kept": 1}
    assert one.parameters == copy.copy(one).parameters == {"kept": 1}
    assert not hasattr(context(), "parameters")


def test_a_handler_of_awss_form_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FUNCTIONS)
    handler: Any = worker.load("hello:told", "")
    found = handler({}, context())
    assert 0 < found.pop("remaining") <= 3000
    assert found == {
        "arn": "arn:aws:lambda:us-east-1:000000000000:function:hello",
        "stream": "[$LATEST]i-7",
        "group": "/aws/lambda/hello",
        "request": "id-1",
        "memory": "128",
    }


def test_powertools_logger_takes_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from aws_lambda_powertools import Logger

    for key, value in environment_of("hello", 128, "app:handler", {}).items():
        monkeypatch.setenv(key, value)
    logger = Logger(service="tests", stream=sys.stdout)
    given: Any = context()

    @logger.inject_lambda_context
    def handler(_event: dict[str, Any], _context: Any) -> None:
        logger.info("said")

    handler({}, given)
    line = capsys.readouterr().out
    assert '"function_name":"hello"' in line
    assert '"function_request_id":"id-1"' in line


def test_the_environment_reaches_a_process() -> None:
    made = environment_of("hello", 256, "app.handler", {})
    assert made["_HANDLER"] == "app.handler"
    assert made["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    code = (
        "import os, time\n"
        "assert os.environ['AWS_LAMBDA_FUNCTION_NAME'] == 'hello'\n"
        "assert os.environ['AWS_LAMBDA_FUNCTION_VERSION'] == '$LATEST'\n"
        "assert os.environ['AWS_EXECUTION_ENV'].startswith('AWS_Lambda_python3.')\n"
        "assert time.localtime(0)[:5] == (1970, 1, 1, 0, 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **made}, check=True)


def test_where_the_code_lies_and_the_runtimes_own() -> None:
    made = environment_of("a", 1, "b", {}, "/task")
    assert made["LAMBDA_TASK_ROOT"] == "/task"
    assert os.path.isdir(os.path.join(made["LAMBDA_RUNTIME_DIR"], "aetherless_py"))
    assert "LAMBDA_TASK_ROOT" not in environment_of("a", 1, "b", {})


def test_no_credentials_are_made_up() -> None:
    assert not [key for key in environment_of("a", 1, "b", {}) if "KEY" in key or "TOKEN" in key]


@pytest.mark.parametrize(
    ("outside", "region", "default"),
    [
        ({}, "us-east-1", "us-east-1"),
        ({"AWS_REGION": "eu-central-1"}, "eu-central-1", "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1", "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1", "eu-west-2"),
    ],
)
def test_where_the_runtime_has_a_region_functions_have_it(
    outside: dict[str, str], region: str, default: str
) -> None:
    made = environment_of("a", 1, "b", {**outside, "TZ": "Europe/Vienna"})
    assert (made["AWS_REGION"], made["AWS_DEFAULT_REGION"]) == (region, default)
    assert made["TZ"] == "Europe/Vienna"
