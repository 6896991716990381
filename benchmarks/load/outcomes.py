"""How a request can end: rightly, or in one class of failure."""

from __future__ import annotations

OK = 0
CONNECT = 1  # the server did not take the connection
RESET = 2  # the connection ended before the answer was whole
TIMEOUT = 3  # no whole answer in time, the connecting included
WRONG = 4  # not HTTP, or the check refused it
NO_CONNECTION = 5  # the generator had none left to send it on

_NAMES = ("ok", "connect", "reset", "timeout", "wrong answer", "no connection")
FIRST_BAD_STATUS = 400  # such a status is its own code


def name(outcome: int) -> str:
    """The class in words: "reset", "status 503"."""
    return f"status {outcome}" if outcome >= FIRST_BAD_STATUS else _NAMES[outcome]
