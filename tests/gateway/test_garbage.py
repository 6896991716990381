"""What a request leaves behind in the gateway: nothing that only a collection would find."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aetherless_py.errors import InstanceGoneError
from aetherless_py.gateway.app import Gateway
from aetherless_py.gateway.connection import HttpRequest
from aetherless_py.gateway.metrics import Metrics
from aetherless_py.runtime.invocation import Answer, Invocation


class _Asked:
    """A service that answers when the test says so."""

    def __init__(self, outcome: Answer | InstanceGoneError) -> None:
        self.outcome, self.waiting = outcome, list[Invocation]()

    def submit(self, invocation: Invocation) -> None:
        invocation.sent_ns = invocation.received_ns
        self.waiting.append(invocation)

    def abandon(self, invocation: Invocation) -> None:
        raise AssertionError("no client has gone")

    def answer(self) -> None:
        self.waiting.pop().settle(self.outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        Answer(200, [(b"content-type", b"text/plain")], b"it"),
        Answer(200, [(b"x-aether-next", b"last")], b"it"),
        InstanceGoneError("it ended"),
    ],
    ids=["answer", "chain", "failure"],
)
def test_a_request_is_gone_when_it_is_answered(outcome: Answer | InstanceGoneError) -> None:
    first, last = _Asked(outcome), _Asked(Answer(200, [], b""))
    orchestrator = SimpleNamespace(services={"first": first, "last": last}, ready=True)
    gateway = Gateway(cast(Any, orchestrator), Metrics())
    answered: list[int] = []
    connection = SimpleNamespace(
        client="127.0.0.1", answer=lambda _request, status, _headers, _body: answered.append(status)
    )

    def ask() -> None:
        request = HttpRequest(cast(Any, connection), "GET", b"/", [(b"host", b"h")], 1)
        gateway.invoke("first", b"/", b"", request)
        first.answer()
        if last.waiting:
            last.answer()

    ask()  # what the first one makes stays
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            ask()
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert len(answered) == 11
