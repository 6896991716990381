"""The program of `lambda_runtime`: HTTP in front, AWS's Runtime API behind, in one event loop.

Both faces are the runtime's own HTTP connections (httptools, uvloop), and events are made, and
answers read, by its own code: what differs from it is what is measured. `argv` is the handler, as
"module:function", and the number of instances; it listens on `PORT`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
import uuid
from collections import deque

import orjson
import uvloop

from aetherless_py.gateway.connection import Connection, HttpRequest, Settings
from aetherless_py.runtime import wire
from aetherless_py.runtime.event import ResponseError, event_of, respond
from aetherless_py.start.attempt import Attempt
from aetherless_py.start.base import Function, new_id
from aetherless_py.start.instance import MAX_MESSAGE_BYTES
from aetherless_py.start.launch import launch
from benchmarks.starts.lambda_runtime import program
from benchmarks.starts.runtime_api import (
    ACCEPTED_BODY,
    ACCEPTED_STATUS,
    HOST,
    INIT_ERROR,
    LARGEST_BYTES,
    LARGEST_HEAD_BYTES,
    NEXT,
    error_in,
    invocation_headers,
    outcomes,
)

BACKLOG = 2048
TIMEOUT_S = 900  # the longest that Lambda has, and further away than any load's
_JSON = (b"content-type", b"application/json")


class _Asked(wire.Request):
    """What an event is made of, straight from the connection instead of from a channel."""

    def __init__(self, request_id: str, request: HttpRequest) -> None:
        path, _, query = request.target.decode("latin-1").partition("?")
        self.id, self.method, self.path, self.query = request_id, request.method, path, query
        self.client, self.received_ns = request.client, time.time_ns()
        self.headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers
        ]
        self.body = memoryview(_body_of(request))


class _Instance:
    """An awslambdaric, started again whenever it has ended, and the one request that it has."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._next: HttpRequest | None = None  # it waits there for an invocation
        self._asked: tuple[str, HttpRequest] | None = None

    async def open(self) -> None:
        """Listens for the instance, and starts it."""
        bound = socket.create_server((HOST, 0))
        self._address = f"{HOST}:{bound.getsockname()[1]}"
        self._listener = await self._loop.create_server(
            lambda: Connection(self._hear, self._front.api), sock=bound
        )
        self._start()

    def _start(self) -> None:
        self._is_up = False
        handler = self._front.handler
        command, environment = program(handler.replace(":", "."), self._address, os.environ)
        with Attempt("lambda_runtime", Function(handler)) as attempt:
            self._process = launch(attempt, new_id(), command, environment)
            self._output = attempt.output
        self._output.sink = lambda data: os.write(1, data)
        self._loop.add_reader(self._process.ended_fd, self._ended)
        self._loop.add_reader(self._output.fileno(), self._drain)

    def _drain(self) -> None:
        if not self._output.drain():
            self._loop.remove_reader(self._output.fileno())

    def take(self, request: HttpRequest) -> bool:
        """Gives it a request; False when it has gone away."""
        waiting, self._next = self._next, None
        if waiting is None or waiting.gone:
            return False
        request_id = str(uuid.uuid4())
        self._asked = request_id, request
        deadline_ms = (time.time_ns() + TIMEOUT_S * 1_000_000_000) // 1_000_000
        headers = [
            (name.encode(), value.encode())
            for name, value in invocation_headers(request_id, deadline_ms).items()
        ]
        event = orjson.dumps(event_of(_Asked(request_id, request)))
        waiting.respond(200, [_JSON, *headers], event)
        return True

    def _hear(self, request: HttpRequest) -> None:
        """A request to the Runtime API."""
        what = (request.method, request.target.decode("latin-1"))
        if what == NEXT and self._asked is None:
            self._next, self._is_up = request, True
            self._front.offer(self)
            return
        # First, so that the instance goes on while its answer is read.
        request.respond(ACCEPTED_STATUS, [_JSON], ACCEPTED_BODY)
        if what == INIT_ERROR:
            print(f"it reported an error of its init phase: {error_in(_body_of(request))}")
            return
        if self._asked is not None:
            request_id, asked = self._asked
            answered, failed = outcomes(request_id)
            if what in (answered, failed):
                self._asked = None
                _answer(asked, _body_of(request) if what == answered else None)
                return
        print(f"an instance was killed that said what makes no sense: {what}")
        signal.pidfd_send_signal(self._process.ended_fd, signal.SIGKILL)

    def _ended(self) -> None:
        status = self._put_away()
        if self._is_up:
            self._start()
        else:
            self._front.fail(f"an instance ended before it was ready, with status {status}")

    def _put_away(self) -> int | None:
        self._loop.remove_reader(self._process.ended_fd)
        self._loop.remove_reader(self._output.fileno())
        status = self._process.end()
        self._output.close()
        self._front.free.pop(self, None)
        self._next = None
        if self._asked is not None:
            _answer(self._asked[1], None)
            self._asked = None
        return status

    def close(self) -> None:
        """Ends it, as AWS ends one that has no extensions: without a word."""
        if hasattr(self, "_output"):
            self._put_away()
        if hasattr(self, "_listener"):
            self._listener.close()


class Front:
    """What listens, and the instances.

    Args:
        handler: "module:function".
        concurrency: how many instances there are.

    Attributes:
        api: settings of the Runtime API's connections.
        free: the instances that wait for an invocation, the one that waits longest first.
    """

    def __init__(self, handler: str, concurrency: int) -> None:
        self.handler = handler
        self.api = Settings(LARGEST_BYTES, TIMEOUT_S, head_limit_bytes=LARGEST_HEAD_BYTES)
        self.free: dict[_Instance, None] = {}
        self._waiting: deque[HttpRequest] = deque()
        self._instances = [_Instance(self) for _ in range(concurrency)]
        loop = asyncio.get_running_loop()
        self._all_up: asyncio.Future[str] = loop.create_future()
        self._over: asyncio.Future[str] = loop.create_future()

    async def run(self, port: int) -> str:
        """Serves until a signal ends it; gives the reason if something else did."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.fail, "")
        settings = Settings(MAX_MESSAGE_BYTES, TIMEOUT_S)
        listener = await loop.create_server(
            lambda: Connection(self._ask, settings),
            HOST,
            port,
            backlog=BACKLOG,
            start_serving=False,
        )
        try:
            for instance in self._instances:
                await instance.open()
            await asyncio.wait({self._all_up, self._over}, return_when=asyncio.FIRST_COMPLETED)
            if not self._over.done():
                await listener.start_serving()
            return await self._over
        finally:
            listener.close()
            for instance in self._instances:
                instance.close()

    def fail(self, reason: str) -> None:
        """Ends it all."""
        if not self._over.done():
            self._over.set_result(reason)

    def _ask(self, request: HttpRequest) -> None:
        while self.free:
            # The one that came last: what it needs is still in the caches.
            if self.free.popitem()[0].take(request):
                return
        self._waiting.append(request)

    def offer(self, instance: _Instance) -> None:
        """An instance asks for an invocation."""
        while self._waiting:
            request = self._waiting.popleft()
            if not request.gone:
                instance.take(request)
                return
        self.free[instance] = None
        if len(self.free) == len(self._instances) and not self._all_up.done():
            self._all_up.set_result("")


def _body_of(request: HttpRequest) -> bytes:
    return b"".join(request.body)


def _answer(request: HttpRequest, result: bytes | None) -> None:
    """Answers a client: with what the function gave; where that is nothing, as AWS's HTTP API."""
    if result is not None:
        try:
            status, headers, body = respond(orjson.loads(result))
        except (ResponseError, orjson.JSONDecodeError) as error:
            print(f"the answer of the function is none: {error}")
        else:
            request.respond(
                status,
                [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
                body,
            )
            return
    request.respond(500, [_JSON], b'{"message":"Internal Server Error"}')


async def main() -> str:
    """Serves; gives what is the matter, if something is."""
    handler, concurrency = sys.argv[1:]
    return await Front(handler, int(concurrency)).run(int(os.environ["PORT"]))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(main()) or 0)
