"""Says hello: a handler as AWS Lambda has it, behind an HTTP API."""

from __future__ import annotations

from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answers whoever the query's `name` names."""
    name = event.get("queryStringParameters", {}).get("name", "world")
    return {"message": f"Hello, {name}!", "request": context.aws_request_id}
