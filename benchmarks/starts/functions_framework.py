"""functions_framework: Google's Functions Framework for Python, as its users start it.

The console command in production mode: gunicorn with one worker and as many threads as the
framework chooses. The framework imports the function, gunicorn listens, and then forks its worker.

READY is the first connection that the kernel accepts for it, which is what a TCP start-up probe
sees; the worker may not be there yet, and the first response includes it. There is no
notification: it is tried every millisecond (`PROBE_MS`), so READY is late by up to that.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import time

from aetherless_py.errors import StartError, StartTimeoutError
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, deadline_of, new_id
from aetherless_py.start.http_instance import HOST, HttpInstance, Port
from aetherless_py.start.instance import Instance, Phases
from aetherless_py.start.launch import launch
from aetherless_py.start.output import Output
from aetherless_py.start.readiness import Folder
from benchmarks.starts.child import FUNCTIONS, Baseline

PROBE_MS = 1
_SOURCE = os.path.join(FUNCTIONS, "for_functions_framework.py")
# By these somebody's own settings would change what is measured: instances get none of them.
SETTINGS = (
    "CLOUD_RUN_TIMEOUT_SECONDS", "DEBUG", "FUNCTION_SIGNATURE_TYPE", "FUNCTION_USE_ASGI",
    "GUNICORN_CMD_ARGS", "GUNICORN_LOG_LEVEL", "THREADED_TIMEOUT_ENABLED", "THREADS",
    "WEB_CONCURRENCY", "WORKERS",
)  # fmt: skip


def program() -> str | None:
    """The path of the console command; None where it is not installed."""
    beside = os.path.dirname(sys.executable)
    return shutil.which("functions-framework", path=beside)


class FunctionsFramework(Baseline):
    """`functions-framework` for each instance. Its process is gunicorn's first one."""

    name = "functions_framework"

    @classmethod
    def missing(cls) -> str | None:
        if program():
            return None
        return "functions-framework is not installed; python tools/install_peers.py brings it"

    def _make(self, function: Function) -> None:
        self._folder = Folder()

    def _start(self, function: Function, asked_ns: int) -> Instance:
        instance_id = new_id()
        phases = Phases(asked_ns)
        command = program()
        assert command is not None
        with Attempt(self.name, function) as attempt:
            port = attempt.keeps(Port())
            # gunicorn has a control socket of a fixed name, and files that a kill leaves behind.
            private = attempt.keeps(_Private(self._folder, instance_id))
            environment = function.full_environment(
                AETHER_HANDLER=function.handler,
                AETHER_IMPORTS=",".join(function.imports),
                TMPDIR=private.path,
                XDG_RUNTIME_DIR=private.path,
            )
            for name in SETTINGS:
                environment.pop(name, None)
            child = launch(
                attempt,
                instance_id,
                [
                    command, "--target", "answer", "--source", _SOURCE, "--host", HOST,
                    "--port", str(port.number),
                ],
                environment,
            )  # fmt: skip
            phases.created_ns = time.monotonic_ns()
            phases.ready_ns = _expect_listening(
                port, child.ended_fd, attempt.output, deadline_of(function, asked_ns)
            )
            instance = _Gunicorn(
                instance_id, self.name, child, port, port.socket, attempt.output, phases
            )
            instance.at_end.append(lambda _: private.close())
            return instance

    def _close(self) -> None:
        if hasattr(self, "_folder"):
            self._folder.close()


class _Private:
    """A folder of an instance's own."""

    def __init__(self, folder: Folder, instance_id: str) -> None:
        self.path = os.path.join(folder.path, instance_id)
        os.mkdir(self.path, 0o700)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


class _Gunicorn(HttpInstance):
    def _let_go(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process.ended_fd, signal.SIGTERM)


def _expect_listening(port: Port, ended_fd: int, output: Output, deadline_ns: int) -> int:
    """Tries to connect until it works; gives the moment in ns."""
    poll = select.poll()
    for waited in (ended_fd, output.fileno()):
        poll.register(waited, select.POLLIN)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port.number)) == 0:
                return time.monotonic_ns()
        ready = {fd for fd, _ in poll.poll(PROBE_MS)}
        if ended_fd in ready:
            raise StartError("the instance's process ended before it listened")
        if output.fileno() in ready and not output.drain():
            poll.unregister(output.fileno())
        if time.monotonic_ns() >= deadline_ns:
            raise StartTimeoutError("the instance did not listen in time and was killed")
