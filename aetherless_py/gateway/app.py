"""The gateway's routes: from an HTTP request to an invocation, and back."""

from __future__ import annotations

import itertools
import json
import secrets
from urllib.parse import unquote

from aetherless_py.errors import (
    AetherlessError,
    InstanceGoneError,
    InvocationTimeoutError,
    MessageTooLargeError,
    QueueError,
    SegmentNoSpaceError,
    StartError,
    UpstreamError,
)
from aetherless_py.gateway.connection import Headers, HttpRequest
from aetherless_py.gateway.metrics import Metrics
from aetherless_py.runtime.invocation import Answer, Invocation
from aetherless_py.runtime.orchestrator import Orchestrator

PREFIX = b"/function/"
JSON = (b"content-type", b"application/json")
_RETRY_AFTER = (b"retry-after", b"1")
# The gateway's own, and those of one connection (RFC 9110, section 7.6.1).
_DROPPED = frozenset(
    b"content-length connection date keep-alive proxy-connection te trailer transfer-encoding"
    b" upgrade".split()
)


class Gateway:
    """The routes.

    Args:
        orchestrator: of the functions.
        metrics: that every invocation is counted in.
    """

    def __init__(self, orchestrator: Orchestrator, metrics: Metrics) -> None:
        self._orchestrator, self._metrics = orchestrator, metrics
        self._run, self._numbers = secrets.token_hex(6), itertools.count(1)

    def route(self, request: HttpRequest) -> None:
        """The gateway's own port."""
        path, query = divide(request.target)
        if path.startswith(PREFIX):
            name, slash, rest = path[len(PREFIX) :].partition(b"/")
            self.invoke(unquote(name.decode("latin-1")), slash + rest or b"/", query, request)
        elif path in (b"/healthz", b"/readyz", b"/metrics"):
            if request.method not in ("GET", "HEAD"):
                refuse(request, 405, "only GET and HEAD", (b"allow", b"GET, HEAD"))
            elif path == b"/metrics":
                kind, text = self._metrics.exposition(self._orchestrator)
                request.respond(200, [(b"content-type", kind.encode())], text)
            elif path == b"/healthz" or self._orchestrator.ready:
                request.respond(200, [JSON], b'{"status":"ok"}')
            else:
                refuse(request, 503, "not ready", _RETRY_AFTER)
        else:
            refuse(request, 404, "no such route; functions are at /function/<id>")

    def invoke(self, function_id: str, path: bytes, query: bytes, request: HttpRequest) -> None:
        """Has a function answer a request.

        Args:
            function_id: of the function; one that there is not is answered with 404.
            path: that the function sees.
            query: the same.
            request: to be answered.
        """
        service = self._orchestrator.services.get(function_id)
        if service is None:
            refuse(request, 404, "no such function")
            return

        def done(invocation: Invocation, outcome: Answer | AetherlessError) -> None:
            stamp = (b"x-aether-request-id", invocation.id.encode())
            if isinstance(outcome, AetherlessError):
                status, more = _failure(outcome)
                self._metrics.answered(function_id, status, invocation)
                refuse(request, status, _words(outcome), stamp, *more)
                return
            self._metrics.answered(function_id, outcome.status, invocation)
            headers = [each for each in outcome.headers if each[0] not in _DROPPED]
            headers += (
                stamp,
                (b"x-aether-start", invocation.start.encode()),
                (b"x-aether-instance", invocation.instance_id.encode()),
                (b"server-timing", timing(invocation)),
            )
            request.respond(outcome.status, headers, outcome.body)

        invocation = Invocation(
            f"{self._run}-{next(self._numbers):08x}",
            request.method,
            path,
            query,
            request.headers,
            request.client,
            request.body,
            done,
        )
        service.submit(invocation)


def divide(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target, in whichever form it came (RFC 9112, section 3.2)."""
    if not target.startswith(b"/") and b"://" in target:
        _, _, rest = target.partition(b"://")
        _authority, slash, rest = rest.partition(b"/")
        target = slash + rest or b"/"
    path, _, query = target.partition(b"?")
    return path, query


def _failure(error: AetherlessError) -> tuple[int, Headers]:
    """The status for what has gone wrong, and headers that belong to it."""
    if isinstance(error, QueueError | SegmentNoSpaceError):
        return 503, [_RETRY_AFTER]
    if isinstance(error, InvocationTimeoutError):
        return 504, []
    if isinstance(error, MessageTooLargeError):
        return 413, []
    if isinstance(error, InstanceGoneError | StartError | UpstreamError):
        return 502, []
    return 500, []


def _words(error: AetherlessError) -> str:
    """What the client is told; what a function has printed is in its log, not for clients."""
    if isinstance(error, StartError):
        return "the function could not be started; the runtime's log says why"
    return str(error).partition("\n")[0]


def timing(invocation: Invocation) -> bytes:
    """Where the time went, in ms, as `Server-Timing` says it (W3C Server Timing)."""
    queue_ns = invocation.sent_ns - invocation.received_ns
    served_ns = invocation.answered_ns - invocation.sent_ns
    function_ns = invocation.function_ns
    if function_ns is None:
        parts = b"queue;dur=%.3f, instance;dur=%.3f" % (queue_ns / 1e6, served_ns / 1e6)
    else:
        parts = b"queue;dur=%.3f, transport;dur=%.3f, function;dur=%.3f" % (
            queue_ns / 1e6,
            (served_ns - function_ns) / 1e6,
            function_ns / 1e6,
        )
    phases = invocation.phases
    if phases is not None:
        for name, moment_ns in (
            (b"created", phases.created_ns),
            (b"interpreter", phases.interpreter_ns),
            (b"imported", phases.imported_ns),
            (b"ready", phases.ready_ns),
        ):
            if moment_ns is not None:
                parts += b", start-%b;dur=%.3f" % (name, (moment_ns - phases.asked_ns) / 1e6)
    return parts


def refuse(request: HttpRequest, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
    """Answers with what is wrong."""
    request.respond(status, [JSON, *headers], json.dumps({"message": message}).encode())
