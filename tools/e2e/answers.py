"""Whether an answer is right: by its workload, by what the user expects, or by its status alone.

`Answers` judges inside the generator's process. Equal requests have equal answers, so that each is
compared with the last right one first, and judged at length only where it differs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from benchmarks.load.connection import SHOWN_BYTES, Headers
from benchmarks.load.outcomes import FIRST_BAD_STATUS
from benchmarks.workloads.registry import DIGEST, Workload, workload

CHECK = "tools.e2e.answers:Answers"
# Of who gave an answer; unknown where nothing in it says so.
STATES = COLD, WARM, UNKNOWN = "cold", "warm", "unknown"
_START = b"x-aether-start"
_JUDGED = (b"content-type", DIGEST.encode())


@dataclass(frozen=True, slots=True)
class Expected:
    """What the user expects of each answer.

    Attributes:
        status: None for any 2xx.
        texts: that its body holds.
        patterns: regular expressions that its body holds.
        sha256: of its body, in hexadecimal.
    """

    status: int | None = None
    texts: Sequence[str] = ()
    patterns: Sequence[str] = ()
    sha256: str | None = None

    @classmethod
    def parsed(cls, written: Sequence[str]) -> Self:
        """Of `status=N`, `text=...`, `regex=...` and `sha256=...`.

        Raises:
            ValueError: one is none of these, or is given twice where only one can be right.
        """
        given: dict[str, list[str]] = {"status": [], "text": [], "regex": [], "sha256": []}
        for each in written:
            kind, separator, value = each.partition("=")
            if kind not in given or not separator or not value:
                raise ValueError(f"{each!r}: give status=N, text=TEXT, regex=PATTERN or sha256=HEX")
            if not value.isascii() and "\udc00" <= max(value) <= "\udfff":  # argv's undecoded bytes
                raise ValueError(f"{each!r}: it is no text")
            given[kind].append(value)
        for kind in ("status", "sha256"):
            if len(given[kind]) > 1:
                raise ValueError(f"{kind} is given more than once")
        for pattern in given["regex"]:
            try:
                re.compile(pattern.encode())
            except (re.error, ValueError) as error:
                raise ValueError(f"regex={pattern}: {error}") from error
        status = next(iter(given["status"]), None)
        if status is not None and not re.fullmatch("[23][0-9][0-9]", status):
            raise ValueError(
                f"status={status}: give one from 200 to 399; from {FIRST_BAD_STATUS} on an answer "
                "counts as failed"
            )
        sha256 = next(iter(given["sha256"]), None)
        if sha256 is not None and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
            raise ValueError(f"sha256={sha256}: give 64 hexadecimal digits")
        return cls(
            None if status is None else int(status),
            given["text"],
            given["regex"],
            None if sha256 is None else sha256.lower(),
        )

    def fault(self, status: int, body: bytes) -> str | None:
        """What is not as expected, or None."""
        if self.status is None and not 200 <= status < 300:
            return "it is no 2xx"
        if self.status not in (None, status):
            return f"the status is not {self.status}"
        for text in self.texts:
            if text.encode() not in body:
                return f"the body lacks {text!r}"
        for pattern in self.patterns:
            if not re.search(pattern.encode(), body):
                return f"nothing in the body matches {pattern!r}"
        if self.sha256 is not None and hashlib.sha256(body).hexdigest() != self.sha256:
            return f"the SHA-256 of its {len(body)} bytes is {hashlib.sha256(body).hexdigest()}"
        return None

    def __str__(self) -> str:
        """In words."""
        said = ["a 2xx" if self.status is None else f"status {self.status}"]
        said += [f"a body with {each!r}" for each in self.texts]
        said += [f"a body that matches {each!r}" for each in self.patterns]
        said += [f"a body with SHA-256 {self.sha256}"] if self.sha256 else []
        return " and ".join(said)


def sized(name: str, variant: str, size: int) -> Workload:
    """A workload with one variant, of any size where its body takes any."""
    return replace(workload(name), variants={variant: size})


class Answers:
    """The check of a load.

    Args:
        workload: its name, variant and size, and the seed; None where there is none.
        expected: `Expected` as a dict.
    """

    def __init__(self, workload: Sequence[Any] | None, expected: dict[str, Any]) -> None:
        self._expected = Expected(**expected)
        self._workload: tuple[Workload, str, int] | None = None
        self._right: tuple[Any, ...] = ()
        if workload is not None:
            name, variant, size, seed = workload
            self._workload = sized(name, variant, size), variant, seed
            self._workload[0].prepare(variant, seed)

    def __call__(self, status: int, headers: Headers, body: bytes) -> str:
        """Judges one.

        Returns:
            The state of who gave it, of `STATES`.

        Raises:
            ValueError: it is wrong; the message says what came, and why it is wrong.
        """
        start, judged = b"", []
        for name, value in headers:
            lower = name.lower()
            if lower == _START:
                start = value
            elif lower in _JUDGED:
                judged.append((lower, value))
        answer = (status, judged, body)
        if answer != self._right:
            fault = self._expected.fault(status, body) or self._fault(status, judged, body)
            if fault is not None:
                shown = repr(body[:SHOWN_BYTES])
                came = f"status {status}{_to(headers)}"
                raise ValueError(f"{came}: {fault if shown in fault else f'{shown}: {fault}'}")
            self._right = answer
        return UNKNOWN if not start else WARM if start == WARM.encode() else COLD

    def _fault(self, status: int, headers: Headers, body: bytes) -> str | None:
        if self._workload is None:
            return None
        served, variant, seed = self._workload
        told = {name.decode(): value.decode("latin-1") for name, value in headers}
        try:
            served.check(variant, seed, status, told, body)
        except AssertionError as wrong:
            return str(wrong)
        return None


def _to(headers: Headers) -> str:
    """Where a redirect would lead, which nobody follows."""
    for name, value in headers:
        if name.lower() == b"location":
            return f" to {value[:SHOWN_BYTES].decode('latin-1')!r}"
    return ""
