"""One request to a function, with what has happened to it so far."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from aetherless_py.errors import AetherlessError
    from aetherless_py.runtime.wire import Buffer
    from aetherless_py.start.instance import Phases

WARM = "warm"
# Of a client's request, what those hold that functions make of it: HTTP wants the host.
_KEPT = frozenset((b"host", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"))


class Answer(NamedTuple):
    """What the client gets; names of headers in lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: Buffer


class Invocation:
    """A request, and the moments of its life as CLOCK_MONOTONIC in ns.

    Attributes:
        id: its own.
        method, path, query, headers: as they came, names of headers in lower case.
        client: the client's address.
        body: in the pieces in which it came.
        hops: how many functions have answered before, each naming the next.
        done: called once, with it and its answer, or with what has gone wrong:
            QueueFullError: too many wait already.
            ClientGoneError: nobody waits for the answer any more; nothing was done.
            QueueTimeoutError: no instance had room within the function's time-out.
            ServiceClosedError: the function went out of service; nothing was done.
            StartError: no instance could be started.
            InvocationTimeoutError: no answer in time; the instance was killed.
            InstanceGoneError: the instance ended before it answered; whether it acted is unknown.
            MessageTooLargeError: the request does not fit into the channel.
            UpstreamError: an executable's answer is none, or it cannot be reached.
        over: whether `done` was called, or nobody waits for it any more.
        received_epoch_ns: it was there whole, on the wall clock.
        received_ns: the same.
        sent_ns: an instance was given it; 0 before.
        answered_ns: the instance has answered; 0 before.
        function_ns: how long the function itself took; None where that is not known.
        failed: whether a Python handler raised, or gave what is no answer.
        start: "warm", or how the instance was started whose first request it is.
        instance_id: of the instance.
        phases: of that start, when it is not warm.
    """

    __slots__ = (
        "answered_ns", "body", "client", "done", "failed", "function_ns", "headers", "hops",
        "id", "instance_id", "method", "over", "path", "phases", "query", "received_epoch_ns",
        "received_ns", "sent_ns", "start",
    )  # fmt: skip

    def __init__(
        self,
        id: str,
        method: str,
        path: bytes,
        query: bytes,
        headers: list[tuple[bytes, bytes]],
        client: str,
        body: list[Buffer],
        done: Callable[[Invocation, Answer | AetherlessError], object],
        hops: int = 0,
    ) -> None:
        self.id, self.method, self.path, self.query = id, method, path, query
        self.headers, self.client, self.body, self.done = headers, client, body, done
        self.hops = hops
        self.over = self.failed = False
        self.received_epoch_ns, self.received_ns = time_ns(), monotonic_ns()
        self.sent_ns = self.answered_ns = 0
        self.function_ns: int | None = None
        self.start, self.instance_id = WARM, ""
        self.phases: Phases | None = None

    def next(
        self, answer: Answer, done: Callable[[Invocation, Answer | AetherlessError], object]
    ) -> Invocation:
        """The request that its answer is, for another function.

        Args:
            answer: what has come of this one; its body is passed on as it is.
            done: as above, of the new one.
        """
        headers = [header for header in self.headers if header[0] in _KEPT]
        headers += [header for header in answer.headers if header[0] == b"content-type"]
        headers.append((b"content-length", b"%d" % len(answer.body)))
        return Invocation(
            self.id, "POST", b"/", b"", headers, self.client, [answer.body], done, self.hops + 1
        )

    def settle(self, outcome: Answer | AetherlessError) -> None:
        """Tells whoever waits for it, unless nobody does any more."""
        if not self.over:
            self.over = True
            self.done(self, outcome)
