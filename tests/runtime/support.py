"""What the tests of the runtime have in common."""

from __future__ import annotations

import time
from pathlib import Path

from aetherless_py.runtime import wire

FUNCTIONS = str(Path(__file__).parent / "functions")
RECEIVED_NS = 1_795_647_193_456_789_000  # 25 November 2026, 22:53:13


def request(
    method: str = "GET",
    path: bytes = b"/",
    query: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    body: bytes = b"",
    client: str = "127.0.0.1",
    received_ns: int = RECEIVED_NS,
) -> wire.Request:
    """A request that has gone through the channel's form."""
    given = [(b"host", b"localhost:8080")] if headers is None else headers
    deadline_ns = time.monotonic_ns() + 3_000_000_000
    message = wire.request(
        "id-1", method, path, query, client, received_ns, deadline_ns, given, [body]
    )
    return wire.Request(memoryview(b"".join(message)))
