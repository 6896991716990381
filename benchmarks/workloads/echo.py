"""echo: gives back the request's body, as text or binary as it came."""

from __future__ import annotations

from typing import Any

WORKLOAD = {
    "name": "echo",
    "variants": (
        "bytes=1024", "bytes=16384", "bytes=65536", "bytes=262144",
        "bytes=1048576", "bytes=4194304", "bytes=6291456",
    ),
    "kind": "application/octet-stream",
}  # fmt: skip


def handler(event: Any, context: Any) -> Any:
    """The body, with its content type."""
    return {
        "statusCode": 200,
        "headers": {"content-type": event["headers"].get("content-type", "text/plain")},
        "body": event.get("body", ""),
        "isBase64Encoded": event["isBase64Encoded"],
    }


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """So many bytes, which are no text."""
    return "POST", "/", {"content-type": "application/octet-stream"}, expected(size, seed)


def expected(size: int, seed: int) -> bytes:
    """The bytes that are sent."""
    from random import Random

    return Random(seed).randbytes(size)
