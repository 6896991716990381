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
import select
import signal
import sys
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import replace

from aetherless_py.errors import HandlerError, HandshakeError, InstanceGoneError, StartError
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.instance import Instance, Phases, Process
from aetherless_py.start.launch import launch
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import wait_readable
from benchmarks.starts.child import FUNCTIONS, Baseline
from benchmarks.starts.oci import ContainerProcess, Containers, why_no_container
from benchmarks.starts.runtime_api import (
    ACCEPTED,
    INIT_ERROR,
    NEXT,
    Caller,
    Request,
    RuntimeApi,
    error_in,
    invocation_headers,
    outcomes,
    response,
)  # fmt: skip

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


class LambdaRuntime(Baseline):
    """`awslambdaric` in a fresh interpreter for each instance."""

    name = "lambda_runtime"

    @classmethod
    def missing(cls) -> str | None:
        if importlib.util.find_spec("awslambdaric") is None:
            return "awslambdaric is not installed; python tools/install_peers.py brings it"
        if importlib.util.find_spec("runtime_client") is None:
            return "awslambdaric lacks its compiled part; install it from a wheel"
        return None

    def _make(self, function: Function) -> None:
        pass

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        with Attempt(self.name, function) as attempt:
            api = attempt.keeps(RuntimeApi())
            path = (*function.path, FUNCTIONS)
            command, environment = program(
                "for_lambda.handler",
                api.address,
                replace(function, path=path).full_environment(
                    AETHER_HANDLER=function.handler, AETHER_IMPORTS=",".join(function.imports)
                ),
            )
            process = self._launch(attempt, instance_id, command, environment, phases)
            deadline_ns = deadline_of(function, asked_ns)
            caller = _expect_next(api, process.ended_fd, attempt.output, deadline_ns)
            phases.ready_ns = time.monotonic_ns()
            if isinstance(process, ContainerProcess):
                process.appeared()
            return _LambdaInstance(
                instance_id, self.name, process, api, caller, attempt.output, phases
            )

    def _launch(
        self, attempt: Attempt, instance_id: str, command: list[str],
        environment: dict[str, str], phases: Phases,
    ) -> Process:  # fmt: skip
        child = launch(attempt, instance_id, command, environment)
        phases.created_ns = time.monotonic_ns()
        return child

    def _close(self) -> None:
        pass


class LambdaRuntimeContainer(LambdaRuntime):
    """`lambda_runtime` in a container for each instance.

    The container has no network of its own: the Runtime API is on the host's loopback.

    Attributes:
        runtime: the path of the OCI runtime that makes them, once prepared.
    """

    name = "lambda_runtime_container"

    @classmethod
    def missing(cls) -> str | None:
        return super().missing() or why_no_container()

    def _make(self, function: Function) -> None:
        self._containers = Containers(function)
        self.runtime = self._containers.runtime

    def _launch(
        self, attempt: Attempt, instance_id: str, command: list[str],
        environment: dict[str, str], phases: Phases,
    ) -> Process:  # fmt: skip
        return self._containers.launch(
            attempt, instance_id, command, environment, own_network=False
        )

    def _close(self) -> None:
        if hasattr(self, "_containers"):
            self._containers.close()


def _expect_next(api: RuntimeApi, ended_fd: int, output: Output, deadline_ns: int) -> Caller:
    """Waits until the instance asks for its first invocation; gives where it waits for it."""
    request = api.hear(lambda: wait_readable(api.fileno(), ended_fd, output, deadline_ns))
    if request.what == INIT_ERROR:
        with contextlib.suppress(OSError):
            request.caller.connection.sendall(ACCEPTED)
        raise StartError(f"it reported an error of its init phase: {error_in(request.body)}")
    if request.what != NEXT:
        raise HandshakeError(f"it must ask for an invocation first, not {request.what}")
    return request.caller


class _LambdaInstance(Instance):
    """An instance that asks for its invocations."""

    def __init__(
        self,
        instance_id: str,
        mode: str,
        process: Process,
        api: RuntimeApi,
        caller: Caller,
        output: Output,
        phases: Phases,
    ) -> None:
        super().__init__(instance_id, mode, process, api.listener, output, phases)
        self._api = api
        self._waiting: Caller | None = caller
        self.at_end.append(lambda _: api.close())

    def _ask(self, payload: bytes, deadline_ns: int) -> bytes:
        if self._process.ended():
            raise InstanceGoneError("it ended before it was asked")
        first = self.invocations == 0
        self.invocations += 1
        caller = self._waiting
        if caller is None:
            request = self._hear(deadline_ns)
            if request.what != NEXT:
                raise InstanceGoneError(f"it must ask for an invocation, not {request.what}")
            caller = request.caller
        self._waiting = None
        request_id = str(uuid.uuid4())
        left_ns = max(0, deadline_ns - time.monotonic_ns())
        event = response(
            200,
            json.dumps({"body": b64encode(payload).decode()}).encode(),
            invocation_headers(request_id, (time.time_ns() + left_ns) // 1_000_000),
        )
        answered, failed = outcomes(request_id)
        self._send(caller.connection, event, deadline_ns)
        told = self._hear(deadline_ns)
        if first:
            self.phases.first_response_ns = time.monotonic_ns()
        self._send(told.caller.connection, ACCEPTED, deadline_ns)
        if told.what == failed:
            raise HandlerError(error_in(told.body))
        if told.what != answered:
            raise InstanceGoneError(f"it must answer its invocation, not {told.what}")
        try:
            return b64decode(json.loads(told.body)["body"], validate=True)
        except (ValueError, TypeError, KeyError) as error:
            raise InstanceGoneError(f"its answer makes no sense ({error!r})") from None

    def _hear(self, deadline_ns: int) -> Request:
        try:
            return self._api.hear(lambda: self._wait(self._api, select.POLLIN, deadline_ns))
        except HandshakeError as error:
            raise InstanceGoneError(str(error)) from None

    def _let_go(self) -> None:
        # As AWS ends one that has no extensions: without a word.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process.ended_fd, signal.SIGKILL)
