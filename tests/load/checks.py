"""Checks that the generator's process calls."""

from __future__ import annotations

import itertools
import time

from benchmarks.load.connection import Check, Headers


def slow(_status: int, _headers: Headers, _body: bytes) -> None:
    """Keeps the generator from sending."""
    time.sleep(0.05)


def counting(start: int) -> Check:
    """A check that was made for a run: labels every second answer with its number."""
    numbers = itertools.count(start)

    def check(status: int, headers: Headers, body: bytes) -> str | None:
        says_hello(status, headers, body)
        number = next(numbers)
        return None if number % 2 else f"number {number % 4}"

    return check


def says_hello(status: int, headers: Headers, body: bytes) -> None:
    assert status == 200
    assert dict(headers)[b"X-Kind"] == b"greeting", headers
    if body != b"hello":
        raise ValueError(f"{body!r} is no greeting")


class Greets:
    """Wants a greeting of one word; its kind is the label."""

    def __init__(self, word: str) -> None:
        self.word = word.encode()

    def __call__(self, _status: int, headers: Headers, body: bytes) -> str:
        assert body == self.word
        return dict(headers)[b"X-Kind"].decode()
