"""lambda_runtime: AWS Lambda's own Python runtime client against a Runtime API of ours.

`awslambdaric` is what runs in AWS's Python images; started as there, `python -m awslambdaric`.
What AWS has around it (micro virtual machine, placement, download of the code, the service before
it) is not here: nothing of this is a figure of AWS Lambda.

READY is its first request for an invocation, which is when AWS takes its init phase for done. An
event is a JSON document with the request in base64; the first response ends when the instance has
posted its own.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import ClassVar

from benchmarks.starts import _runtime_api
from benchmarks.starts._launched import Launched, LaunchedInstance
from benchmarks.starts._process import Process
from benchmarks.starts._runtime_api import Connection, Request, RuntimeApi
from benchmarks.starts.base import StartError, not_installed

# By these somebody's own settings would change what is measured: instances get none of them.
SETTINGS = (
    "AWS_EXECUTION_ENV", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_FORMAT",
    "AWS_LAMBDA_LOG_LEVEL", "AWS_LAMBDA_MAX_CONCURRENCY", "_LAMBDA_TELEMETRY_LOG_FD",
    "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET", "_X_AMZN_TRACE_ID",
)  # fmt: skip


def program(
    handler: str, address: str, environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """The command of an instance, and the variables of its process.

    Args:
        handler: of the function, "module.handler".
        address: of the Runtime API.
        environment: variables beside those that AWS has.
    """
    kept = {name: value for name, value in environment.items() if name not in SETTINGS}
    return [sys.executable, "-P", "-m", "awslambdaric", handler], {
        **kept,
        "AWS_LAMBDA_RUNTIME_API": address,
        "AWS_LAMBDA_FUNCTION_NAME": "aetherless",
        "_HANDLER": handler,
    }


class LambdaRuntime(Launched):
    """`awslambdaric` in a fresh interpreter for each instance."""

    name = "lambda_runtime"
    tells: ClassVar[tuple[str, ...]] = ("created",)
    quick = True

    @classmethod
    def missing(cls) -> str | None:
        if why := not_installed("awslambdaric", "httptools"):
            return why
        if importlib.util.find_spec("runtime_client") is None:
            return "awslambdaric lacks its compiled part; install it from a wheel"
        return None

    def _launch(self) -> LaunchedInstance:
        api = RuntimeApi()
        environment = self.function.full_environment()
        command = program("for_lambda.handler", api.address, environment)
        return LambdaInstance(self._process(*command), api)

    def _process(self, command: list[str], environment: Mapping[str, str]) -> Process:
        return Process(command, environment)


class LambdaInstance(LaunchedInstance):
    """An instance that asks for its invocations."""

    def __init__(self, process: Process, api: RuntimeApi) -> None:
        super().__init__(process, None, api.close)
        self._api = api
        self._waiting: Connection | None = None  # where it waits for an invocation

    def expect(self, deadline_ns: int) -> int:
        """Until it asks for its first invocation."""
        request = self._hear(deadline_ns)
        if request.what == _runtime_api.INIT_ERROR:
            with contextlib.suppress(OSError):
                request.connection.answer(*_runtime_api.ACCEPTED)
            told = _runtime_api.error_in(request.body)
            self.process.fail(f"it reported an error of its init phase: {told}")
        ready_ns = time.monotonic_ns()
        self._waiting = _who_asks(request)
        return ready_ns

    def _ask(self, payload: bytes, timeout_s: float) -> tuple[bytes, bytes]:
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        connection, self._waiting = self._waiting or _who_asks(self._hear(deadline_ns)), None
        request_id = str(uuid.uuid4())
        event = json.dumps({"body": b64encode(payload).decode()}).encode()
        answered, failed = _runtime_api.outcomes(request_id)
        headers = _runtime_api.invocation_headers(request_id, timeout_s)
        connection.answer(200, headers, event)
        told = self._hear(deadline_ns)
        told.connection.answer(*_runtime_api.ACCEPTED)
        if told.what == failed:
            raise StartError(_runtime_api.error_in(told.body))
        if told.what != answered:
            raise StartError(f"it must answer its invocation, not {told.what}")
        return b64decode(json.loads(told.body)["body"], validate=True), b""

    def _hear(self, deadline_ns: int) -> Request:
        return self._api.hear(lambda: self.process.wait(self._api, deadline_ns))


def _who_asks(request: Request) -> Connection:
    if request.what != _runtime_api.NEXT:
        raise StartError(f"it must ask for an invocation, not {request.what}")
    return request.connection
