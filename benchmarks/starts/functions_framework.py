"""functions_framework: Google's Functions Framework for Python, as its users start it.

The console command in production mode: gunicorn with one worker and as many threads as the
framework chooses. The framework imports the function, gunicorn listens, and then forks its worker.

READY is the first connection that the kernel accepts for it, which is what a TCP start-up probe
sees; the worker may not be there yet, and the first response includes it. There is no
notification: it is tried every millisecond (`PROBE_MS`), so READY is late by up to that.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import sys
import tempfile
import time

from benchmarks.starts._launched import HttpInstance, Launched, LaunchedInstance
from benchmarks.starts._process import HOST, Process, free_port
from benchmarks.starts.base import PROGRAMS

PROBE_MS = 1
_SOURCE = os.path.join(PROGRAMS, "for_functions_framework.py")
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


class FunctionsFramework(Launched):
    """`functions-framework` for each instance. Its process is gunicorn's first one."""

    name = "functions_framework"
    tells = ("created",)
    quick = True

    @classmethod
    def missing(cls) -> str | None:
        if program():
            return None
        return "functions-framework is not installed; python tools/install_peers.py brings it"

    def _launch(self) -> LaunchedInstance:
        command, port = program(), free_port()
        assert command is not None
        # gunicorn has a control socket of a fixed name, and files that a kill leaves behind.
        private = tempfile.TemporaryDirectory(dir=self.folder, ignore_cleanup_errors=True)
        environment = self.function.full_environment(
            TMPDIR=private.name, XDG_RUNTIME_DIR=private.name
        )
        for name in SETTINGS:
            environment.pop(name, None)
        process = Process(
            [
                command, "--target", "answer", "--source", _SOURCE, "--host", HOST,
                "--port", str(port.getsockname()[1]),
            ],
            environment,
        )  # fmt: skip
        return _Gunicorn(process, None, port, private.cleanup)


class _Gunicorn(HttpInstance):
    def expect(self, deadline_ns: int) -> int:
        """Tries to connect until it works."""
        poll = select.poll()
        poll.register(self.process.ended_fd, select.POLLIN)
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(self.address) == 0:
                    return time.monotonic_ns()
            if poll.poll(PROBE_MS):
                self.process.fail("its process ended before it listened")
            if time.monotonic_ns() >= deadline_ns:
                self.process.fail("it did not listen in time")
