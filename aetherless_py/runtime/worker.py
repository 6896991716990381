"""What serves a Python function inside its process: requests from the channel, to the handler.

The runtime sends the channel's descriptors on the connection and is told the moments of the start
there; after that only single bytes go over it, which say that answers are there. When it is closed,
or the channel is, the process ends.

With a concurrency above 1 there are so many threads, which wait for requests in turn and handle
what they have received themselves, so that nothing is handed from thread to thread.
"""

from __future__ import annotations

import _socket
import os
import sys
import threading
import traceback
from time import monotonic_ns

from aetherless_py.channel import Channel
from aetherless_py.errors import (
    MessageTooLargeError,
    PeerClosedError,
    PeerDiedError,
    RingClosedError,
)
from aetherless_py.runtime import wire
from aetherless_py.runtime.context import REGION, VERSION, Context
from aetherless_py.runtime.event import event_of, respond
from aetherless_py.runtime.turns import Turns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aetherless_py.runtime.handler_logs import RequestIds
    from aetherless_py.shm.side import Wait

CHANNEL = b"C"  # comes with the channel's two descriptors
_DESCRIPTORS = 2
_INT_BYTES = 4
HANDLER = "AETHER_HANDLER"
CONCURRENCY = "AETHER_CONCURRENCY"
FUNCTION = "AETHER_FUNCTION"
MEMORY_MB = "AETHER_MEMORY_MB"
_REHEARSALS = 10  # until the interpreter has specialised what it runs; a fork inherits that
EVENT_FORMAT = "AETHER_EVENT_FORMAT"
ROUTES = "AETHER_ROUTES"  # a line each
LOG_FORMAT, LOG_LEVEL = "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL"
_FAILED = b'{"message":"Internal Server Error"}'
_JSON = [("content-type", "application/json")]
_PASSED_ON = b"\nx-aether-next:"  # in the head of an answer that is another function's request


class Worker:
    """Serves the handler that `AETHER_HANDLER` names; its module is imported before READY."""

    def __init__(self) -> None:
        module, _, name = os.environ[HANDLER].partition(":")
        self._threads = int(os.environ[CONCURRENCY])
        self._name = os.environ[FUNCTION]
        self._memory_mb = int(os.environ[MEMORY_MB])
        self._region = os.environ.get("AWS_REGION") or REGION
        self._answering = threading.Lock()
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        self._event_of = event_of
        self._respond: Callable[[Any], tuple[int, wire.Headers, bytes]] = respond
        if os.environ[EVENT_FORMAT] == "1.0":
            from aetherless_py.runtime import event_rest

            self._event_of, self._respond = event_rest.event_of, event_rest.respond
        if said := os.environ[ROUTES]:
            from aetherless_py.runtime.routes import Routes

            routes, untold = Routes(said.split("\n")), self._event_of
            self._event_of = lambda request: routes.tell(request, untold(request))
        self._logged: RequestIds | None = None
        log_format, log_level = os.environ.get(LOG_FORMAT, ""), os.environ.get(LOG_LEVEL, "")
        self._in_json = log_format.upper() == "JSON"
        if log_format or log_level:  # before the function's module, as at AWS
            self._install_logs(log_level)
        __import__(module)
        self._handler: Callable[[Any, Any], Any] = getattr(sys.modules[module], name)
        __import__("_json")  # what the first answer would import
        logging = sys.modules.get("logging")
        if self._logged is None and logging is not None and not logging.getLogger().handlers:
            self._install_logs()
        self._instance_id = ""
        for _ in range(_REHEARSALS):
            request = wire.Request(memoryview(wire.REHEARSAL))
            self._answer(request, self._event_of(request))

    def _install_logs(self, level: str = "") -> None:
        from aetherless_py.runtime import handler_logs

        self._logged = handler_logs.install(self._threads, self._in_json, level)

    def serve_connection(self, connection: _socket.socket, marks: bytes) -> None:
        """As `start.base.Function.handler` says of one that serves by itself."""
        self._instance_id = os.environ["AETHER_INSTANCE_ID"]  # its own, after a fork or restore
        os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] = f"[{VERSION}]{self._instance_id}"
        descriptors = _received(connection)
        if not descriptors:  # the runtime does not want it any more
            return
        with Channel.adopt(descriptors, populate=False) as self._channel:
            for descriptor in descriptors:
                os.close(descriptor)
            self._channel.bell(connection.fileno())
            connection.sendall(marks)
            self._turns = Turns(self._threads)
            self._turns.start()
            for _ in range(self._threads - 1):
                threading.Thread(target=self._serve, daemon=True).start()
            self._serve()

    def _serve(self) -> None:
        turns = self._turns
        leads = False
        wait: Wait | None = None
        try:
            while True:
                if not leads:
                    turns.take()
                    leads = True
                number, request, event = self._next(wait)
                began_ns = monotonic_ns()
                leads = kept = turns.begin()
                answer = self._answer(request, event)
                leads = turns.end(kept, monotonic_ns() - began_ns)
                # Others come first, who would have to share their processor with one that yields.
                wait = "park" if _PASSED_ON in answer[0] else None
                with self._answering:
                    try:
                        self._channel.answer(number, answer)
                    except MessageTooLargeError as error:
                        self._channel.answer(number, self._failed(request.id, error, 502))
        except (PeerClosedError, PeerDiedError, RingClosedError):
            if leads:  # so that the others learn it, too
                turns.leave()
        except BaseException as ended:  # the function has asked to end, or this is broken
            if threading.current_thread() is threading.main_thread():
                raise
            try:
                if not isinstance(ended, SystemExit):
                    traceback.print_exc()
                sys.stdout.flush()
            finally:  # the function may have closed them
                code = ended.code if isinstance(ended, SystemExit) else 1
                os._exit(code if type(code) is int else 1)

    def _next(self, wait: Wait | None) -> tuple[int, wire.Request, dict[str, Any]]:
        """The next request, its memory given back already; what is none is answered here."""
        while True:
            number, message = self._channel.receive(wait=wait)
            failed = None
            try:
                request = wire.Request(message)
            except wire.WireError as error:
                failed = self._failed("", error, 502)
            else:
                event = self._event_of(request)
                request.body.release()
            message.release()
            self._channel.release()
            if failed is None:
                return number, request, event
            with self._answering:
                self._channel.answer(number, failed)

    def _answer(self, request: wire.Request, event: dict[str, Any]) -> list[wire.Buffer]:
        context = Context(
            self._name,
            self._memory_mb,
            self._instance_id,
            request.id,
            request.deadline_ns,
            self._region,
        )
        if self._logged is not None:
            self._logged.begin(request.id)
        handler = self._handler if request.deadline_ns else _rehearse
        began_ns = monotonic_ns()
        try:
            result = handler(event, context)
        except Exception as error:
            return self._failed(request.id, error, 500, monotonic_ns() - began_ns)
        took_ns = monotonic_ns() - began_ns
        try:
            status, headers, body = self._respond(result)
            return wire.response(status, took_ns, False, headers, body)
        except Exception as error:  # also what a class of the function's own raises
            return self._failed(request.id, error, 502, took_ns)

    def _failed(
        self, request_id: str, error: Exception, status: int, took_ns: int = 0
    ) -> list[wire.Buffer]:
        """The answer where there is none of the function's; the log says why."""
        try:
            if self._in_json:
                from aetherless_py.runtime import handler_logs

                print(handler_logs.failure(error, request_id), file=sys.stderr)
            else:
                of = f"request {request_id}" if request_id else "what came is no request"
                print(f"{of}:", end=" ", file=sys.stderr)
                traceback.print_exception(error)
        except Exception:  # the function has closed its streams: only the log is the poorer
            pass
        return wire.response(status, took_ns, True, _JSON, _FAILED)


def _rehearse(event: dict[str, Any], _context: Context) -> dict[str, Any]:
    """The handler of `wire.REHEARSAL`."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}


def _received(connection: _socket.socket) -> list[int]:
    """The channel's descriptors; none when the runtime has closed the connection."""
    flags = _socket.MSG_CMSG_CLOEXEC
    room = _socket.CMSG_SPACE(_DESCRIPTORS * _INT_BYTES)
    _, ancillary, _, _ = connection.recvmsg(len(CHANNEL), room, flags)
    return [
        int.from_bytes(data[at : at + _INT_BYTES], sys.byteorder)
        for level, kind, data in ancillary
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS)
        for at in range(0, len(data), _INT_BYTES)
    ]
