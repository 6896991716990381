"""The gateway's routes: from an HTTP request to an invocation, and back."""

from __future__ import annotations

import itertools
import json
import re
import secrets
from functools import partial
from time import monotonic_ns
from urllib.parse import unquote

from aetherless_py.errors import (
    AetherlessError,
    ChainError,
    ClientGoneError,
    InstanceGoneError,
    InvocationTimeoutError,
    MessageTooLargeError,
    QueueError,
    SegmentNoSpaceError,
    ServiceClosedError,
    StartError,
    UpstreamError,
)
from aetherless_py.gateway.connection import RETRY_AFTER, Headers, HttpRequest
from aetherless_py.gateway.metrics import Metrics
from aetherless_py.runtime.invocation import Answer, Invocation
from aetherless_py.runtime.orchestrator import Orchestrator
from aetherless_py.runtime.service import Service

PREFIX = b"/function/"
JSON = (b"content-type", b"application/json")
NEXT = b"x-aether-next"  # in an answer: which function is to be asked with it
CLIENT_GONE = 499  # in the metrics only: nobody reads it
HOPS = 32  # from function to function, for one client's request
# The gateway's own, and those of one connection (RFC 9110, section 7.6.1).
_DROPPED = frozenset(
    b"content-length connection date keep-alive proxy-connection te trailer transfer-encoding"
    b" upgrade x-aether-hops x-aether-instance x-aether-next x-aether-request-id"
    b" x-aether-start".split()
)
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")  # a name in lower case: RFC 9110, section 5.6.2
_NAMES_KEPT = 256
_names: dict[bytes, bool] = {}  # each name that was looked at, and whether it is passed on


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
                refuse(request, 503, "not ready", RETRY_AFTER)
        elif path == b"*":  # OPTIONS, of all that there is (RFC 9110, section 9.3.7)
            request.respond(204, [])
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

        invocation = Invocation(
            f"{self._run}-{next(self._numbers):08x}",
            request.method,
            path,
            query,
            request.headers,
            request.client,
            request.body,
            partial(self._done, request, function_id, request.begun_ns),
        )
        if self._orchestrator.ready:
            _submit(service, invocation, request)
        else:  # what functions make of requests that are under way is taken yet
            invocation.settle(ServiceClosedError("the runtime is ending"))

    def _done(
        self,
        request: HttpRequest,
        function_id: str,
        begun_ns: int,
        invocation: Invocation,
        outcome: Answer | AetherlessError,
    ) -> None:
        """Answers the client, or asks the next function."""
        request.on_gone = None  # else both would stay until a collection finds them
        stamps: Headers = [(b"x-aether-request-id", invocation.id.encode())]
        if invocation.hops:
            stamps.append((b"x-aether-hops", b"%d" % invocation.hops))
        headers: Headers | None = []
        if isinstance(outcome, Answer):
            headers = _passed(outcome.headers)
            if headers is None:
                outcome = InstanceGoneError("its answer makes no sense: a header's name")
            elif len(headers) < len(outcome.headers) and (name := _next(outcome)) is not None:
                fault = self._pass_on(request, function_id, name, invocation, outcome)
                if fault is None:
                    return
                outcome = fault
        if isinstance(outcome, AetherlessError):
            status, more = _failure(outcome)
            self._metrics.answered(function_id, status, invocation)
            stamps += _stamps(invocation, begun_ns)
            refuse(request, status, _words(outcome), *stamps, *more)
            return
        self._metrics.answered(function_id, outcome.status, invocation)
        assert headers is not None
        if request.method == "HEAD" and outcome.status != 204 and not outcome.body:
            # An executable tells what GET would give.
            headers += [header for header in outcome.headers if header[0] == b"content-length"]
        headers += stamps
        headers += _stamps(invocation, begun_ns)
        request.respond(outcome.status, headers, outcome.body)

    def _pass_on(
        self,
        request: HttpRequest,
        function_id: str,
        name: str,
        invocation: Invocation,
        answer: Answer,
    ) -> ChainError | None:
        """Asks the next function with an answer; gives what keeps it from that, if it is kept."""
        service = self._orchestrator.services.get(name)
        if service is None:
            return ChainError(f"{function_id} names as next {name!r:.80}: no such function")
        if invocation.hops == HOPS:
            return ChainError(f"{function_id} names a next after {HOPS} hops: a loop?")
        self._metrics.answered(function_id, answer.status, invocation)
        if not request.gone:
            done = partial(self._done, request, name, invocation.answered_ns)
            _submit(service, invocation.next(answer, done), request)
        return None


def _submit(service: Service, invocation: Invocation, request: HttpRequest) -> None:
    request.on_gone = partial(service.abandon, invocation)
    service.submit(invocation)


def _stamps(invocation: Invocation, begun_ns: int) -> Headers:
    """Of one that an instance was given, whatever became of it: which, how started, how long."""
    if not invocation.sent_ns:
        return []
    return [
        (b"x-aether-start", invocation.start.encode()),
        (b"x-aether-instance", invocation.instance_id.encode()),
        (b"server-timing", timing(invocation, begun_ns)),
    ]


def divide(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target."""
    path, _, query = target.partition(b"?")
    return path, query


def _passed(headers: Headers) -> Headers | None:
    """Those headers of a function's answer that its client gets; None where a name is none.

    The instance has looked at them, too, but a function can write into its channel by itself.
    """
    passed = []
    for header in headers:
        name = header[0]
        known = _names.get(name)
        if known is None:
            if not _TOKEN.fullmatch(name):
                return None
            if len(_names) >= _NAMES_KEPT:  # a function that makes up names
                _names.clear()
            known = _names[name] = name not in _DROPPED
        if known:
            passed.append(header)
    return passed


def _next(answer: Answer) -> str | None:
    """Which function is to be asked with an answer, if any is."""
    if answer.status >= 300:
        return None
    named = [value for name, value in answer.headers if name == NEXT]
    # Of several none is right, as none is of a list.
    return b", ".join(named).decode("latin-1") if named else None


def _failure(error: AetherlessError) -> tuple[int, Headers]:
    """The status for what has gone wrong, and headers that belong to it."""
    if isinstance(error, ClientGoneError):
        return CLIENT_GONE, []
    if isinstance(error, QueueError | SegmentNoSpaceError):
        return 503, [RETRY_AFTER]
    if isinstance(error, InvocationTimeoutError):
        return 504, []
    if isinstance(error, MessageTooLargeError):
        return 413, []
    if isinstance(error, InstanceGoneError | StartError | UpstreamError | ChainError):
        return 502, []
    return 500, []


def _words(error: AetherlessError) -> str:
    """What the client is told; what a function has printed is in its log, not for clients."""
    if isinstance(error, StartError):
        return "the function could not be started; the runtime's log says why"
    return str(error).partition("\n")[0]


def timing(invocation: Invocation, begun_ns: int) -> bytes:
    """Where the time went, in ms, as `Server-Timing` says it (W3C Server Timing).

    To the nanosecond: a short handler takes less than a microsecond.

    Args:
        invocation: answered by an instance, or given up while one had it.
        begun_ns: the first byte of its request was here.
    """
    now_ns = monotonic_ns()
    answered_ns = invocation.answered_ns or now_ns
    gateway_ns = invocation.received_ns - begun_ns + now_ns - answered_ns
    queue_ns = invocation.sent_ns - invocation.received_ns
    served_ns = answered_ns - invocation.sent_ns
    function_ns = invocation.function_ns
    if function_ns is None:
        parts = b"gateway;dur=%.6f, queue;dur=%.6f, instance;dur=%.6f" % (
            gateway_ns / 1e6,
            queue_ns / 1e6,
            served_ns / 1e6,
        )
    else:
        parts = b"gateway;dur=%.6f, queue;dur=%.6f, transport;dur=%.6f, function;dur=%.6f" % (
            gateway_ns / 1e6,
            queue_ns / 1e6,
            (served_ns - function_ns) / 1e6,
            function_ns / 1e6,
        )
    phases = invocation.phases
    if phases is not None:
        for name, after_ns in phases.until_ready():
            parts += b", start-%b;dur=%.3f" % (name.encode(), after_ns / 1e6)
    return parts


def refuse(request: HttpRequest, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
    """Answers with what is wrong."""
    request.respond(status, [JSON, *headers], json.dumps({"message": message}).encode())
