"""Whether an answer is right: by its workload, by what the user expects, or by its status alone.

`Answers` judges inside the generator's process. Equal requests have equal answers, so that each is
compared with the last right one first, and judged at length only where it differs.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.load.connection import LARGEST_BYTES, SHOWN_BYTES, Headers
from benchmarks.workloads.registry import DIGEST, Workload, workload

CHECK = "tools.e2e.answers:Answers"
# Of who gave an answer; unknown where nothing in it says so.
STATES = COLD, WARM, UNKNOWN = "cold", "warm", "unknown"
_START, _ENCODING, _PLACE = b"x-aether-start", b"content-encoding", b"location"
_LOOKED_AT = (_START, _ENCODING, _PLACE, b"content-type", DIGEST.encode())
EXPECTATION = "(?s)^(status=[23][0-9]{2}|text=.+|regex=.+|sha256=[0-9a-fA-F]{64})$"


def fault(expected: Sequence[str], status: int, body: bytes) -> str | None:
    """What is not as expected, or None; any 2xx is, unless a status is given.

    Args:
        expected: of the form `EXPECTATION`.
        status, body: of the answer.
    """
    if not 200 <= status < 300 and not any(each.startswith("status=") for each in expected):
        return "it is no 2xx"
    for kind, _, value in (each.partition("=") for each in expected):
        if kind == "status" and int(value) != status:
            return f"the status is not {value}"
        if kind == "text" and value.encode() not in body:
            return f"the body lacks {value!r}"
        if kind == "regex" and not re.search(value.encode(), body):
            return f"nothing in the body matches {value!r}"
        if kind == "sha256" and (found := hashlib.sha256(body).hexdigest()) != value.lower():
            return f"the SHA-256 of its {len(body)} bytes is {found}"
    return None


def sized(name: str, variant: str, size: int) -> Workload:
    """A workload with one variant, of any size where its body takes any."""
    return replace(workload(name), variants={variant: size})


class Answers:
    """The check of a load.

    Args:
        workload: its name, variant and size, and the seed; None where there is none.
        expected: of each answer, of the form `EXPECTATION`.
    """

    def __init__(self, workload: Sequence[Any] | None, expected: Sequence[str]) -> None:
        self._expected = expected
        self._workload: tuple[Workload, str, int] | None = None
        self._right: tuple[int, dict[bytes, bytes], bytes] | None = None
        if workload is not None:
            name, variant, size, seed = workload
            self._workload = sized(name, variant, size), variant, seed
            self._workload[0].prepare(variant, seed)

    def __call__(self, status: int, headers: Headers, body: bytes) -> str:
        """The state of who gave it, of `STATES`.

        Raises:
            ValueError: it is wrong; the message says what came, and why it is wrong.
        """
        seen = {lower: value for name, value in headers if (lower := name.lower()) in _LOOKED_AT}
        start = seen.pop(_START, b"")
        answer = (status, seen, body)
        if answer != self._right:
            try:
                self._judge(*answer)
            except (AssertionError, ValueError) as wrong:
                place = seen.get(_PLACE, b"")[:SHOWN_BYTES].decode("latin-1")
                came = f"status {status}{f' to {place!r}' if place else ''}"
                shown = repr(body[:SHOWN_BYTES])
                why = str(wrong) if shown in str(wrong) else f"{shown}: {wrong}"
                raise ValueError(f"{came}: {why}") from wrong
            self._right = answer
        return UNKNOWN if not start else WARM if start == WARM.encode() else COLD

    def _judge(self, status: int, seen: dict[bytes, bytes], body: bytes) -> None:
        if body and seen.get(_ENCODING, b"").lower() in (b"gzip", b"x-gzip"):
            try:
                with gzip.open(io.BytesIO(body)) as file:
                    body = file.read(LARGEST_BYTES)
            except (OSError, EOFError, zlib.error) as error:
                raise ValueError(f"it says that it is gzip, and is not: {error}") from error
        if (why := fault(self._expected, status, body)) is not None:
            raise ValueError(why)
        if self._workload is not None:
            served, variant, seed = self._workload
            told = {name.decode(): value.decode("latin-1") for name, value in seen.items()}
            served.check(variant, seed, status, told, body)
