"""AWS Lambda's own Python runtime client behind a Runtime API and an HTTP face of ours.

What is AWS's: `awslambdaric`, started as in AWS's Python images, one process for each request that
is under way, with AWS's public Runtime API between it and what is in front, and events of AWS's
HTTP API. What is ours: what is in front, this module as a program, one process with one event loop
(httptools, uvloop), which stands for the services that AWS has there and is far less than they are.
There are no micro virtual machines, no placement, and no network beyond the loopback: nothing of
this is a figure of AWS Lambda, and what it costs is the least that its client and its protocol
cost.

All instances are there before the first request; whoever finds none free waits in order. One that
has ended is replaced, as at AWS; its request is answered with 500, as are exceptions.
`AWS_EXECUTION_ENV` is not set: with it awslambdaric has a thread made for each request from Python
3.12 on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections import deque
from functools import partial

from benchmarks.harness.processes import die_with_parent
from benchmarks.servers._http_api import Listened, answer, event_of
from benchmarks.servers.base import HOST, Server, not_installed
from benchmarks.starts import _runtime_api, lambda_runtime
from benchmarks.starts._runtime_api import Connection, Request

with contextlib.suppress(ImportError):  # asv imports every module, also where these are missing
    import orjson
    import uvloop

_BACKLOG = 2048
_TIMEOUT_S = 900  # the longest that Lambda has, and further away than any load's


class LambdaRuntime(Server):
    """As many `awslambdaric` as it is to take requests at a time."""

    name = "lambda_runtime"
    settings = lambda_runtime.SETTINGS

    @classmethod
    def missing(cls) -> str | None:
        return lambda_runtime.LambdaRuntime.missing() or not_installed(
            "httptools", "orjson", "pybase64", "uvloop"
        )

    def command(self) -> list[str]:
        return [sys.executable, "-P", "-m", __name__, self.handler, str(self.concurrency)]


class _Instance:
    """An awslambdaric, started again whenever it has ended, and the one request that it has."""

    def __init__(self, front: _Front) -> None:
        self._front = front
        self._next: Connection | None = None  # it waits there for an invocation
        self._asked: tuple[str, Connection] | None = None

    async def run(self) -> None:
        """Starts it, and again.

        Raises:
            RuntimeError: it ended before it was ready.
        """
        listener = await asyncio.get_running_loop().create_server(
            lambda: Listened(self._hear), HOST, 0
        )
        command, environment = lambda_runtime.program(
            self._front.handler.replace(":", "."),
            f"{HOST}:{listener.sockets[0].getsockname()[1]}",
            os.environ,
        )
        while True:
            self._is_up = False
            self._process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                stdin=subprocess.DEVNULL,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )
            try:
                status = await self._process.wait()
            finally:
                self._kill()  # as AWS ends one that has no extensions: without a word
                self._front.free.pop(self, None)
                self._next = None
                if self._asked is not None:
                    answer(self._asked[1], None)
                    self._asked = None
            if not self._is_up:
                raise RuntimeError(f"an instance ended before it was ready, with status {status}")

    def take(self, request: Request) -> bool:
        """Gives it a request; False when it has gone away."""
        waiting, self._next = self._next, None
        if waiting is None or waiting.gone:
            return False
        request_id = str(uuid.uuid4())
        self._asked = request_id, request.connection
        event = orjson.dumps(event_of(request_id, request))
        headers = _runtime_api.invocation_headers(request_id, _TIMEOUT_S)
        waiting.answer(200, headers, event)
        return True

    def _hear(self, request: Request) -> None:
        """A request to the Runtime API."""
        if request.what == _runtime_api.NEXT and self._asked is None:
            self._next, self._is_up = request.connection, True
            self._front.offer(self)
            return
        # First, so that the instance goes on while its answer is read.
        request.connection.answer(*_runtime_api.ACCEPTED)
        if request.what == _runtime_api.INIT_ERROR:
            told = _runtime_api.error_in(request.body)
            print(f"it reported an error of its init phase: {told}")
            return
        if self._asked is not None:
            request_id, client = self._asked
            answered, failed = _runtime_api.outcomes(request_id)
            if request.what in (answered, failed):
                self._asked = None
                answer(client, request.body if request.what == answered else None)
                return
        print(f"an instance was killed that said what makes no sense: {request.what}")
        self._kill()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()


class _Front:
    """What listens, and the instances.

    Args:
        handler: "module:function".

    Attributes:
        free: the instances that wait for an invocation, the one that waits longest first.
    """

    def __init__(self, handler: str) -> None:
        self.handler = handler
        self.free: dict[_Instance, None] = {}
        self._waiting: deque[Request] = deque()
        self._offered = asyncio.Event()

    async def run(self, port: int, concurrency: int) -> None:
        """Serves with so many instances, until it is cancelled or one cannot be started."""
        listener = await asyncio.get_running_loop().create_server(
            lambda: Listened(self._ask), HOST, port, backlog=_BACKLOG, start_serving=False
        )
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(_Instance(self).run())
            while len(self.free) < concurrency:
                self._offered.clear()
                await self._offered.wait()
            await listener.start_serving()

    def _ask(self, request: Request) -> None:
        while self.free:
            # The one that came last: what it needs is still in the caches.
            if self.free.popitem()[0].take(request):
                return
        self._waiting.append(request)

    def offer(self, instance: _Instance) -> None:
        """An instance asks for an invocation."""
        while self._waiting:
            request = self._waiting.popleft()
            if not request.connection.gone:
                instance.take(request)
                return
        self.free[instance] = None
        self._offered.set()


async def _main() -> None:
    handler, concurrency = sys.argv[1:]
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await _Front(handler).run(int(os.environ["PORT"]), int(concurrency))
    except* RuntimeError as failed:
        sys.exit("\n".join(map(str, failed.exceptions)))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
