"""echo: gives back the request's body, as text or binary as it came."""

from __future__ import annotations

from typing import Any


def handler(event: Any, context: Any) -> Any:
    """The body, with its content type."""
    return {
        "statusCode": 200,
        "headers": {"content-type": event["headers"].get("content-type", "text/plain")},
        "body": event.get("body", ""),
        "isBase64Encoded": event["isBase64Encoded"],
    }
