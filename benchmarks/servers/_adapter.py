"""A handler of Lambda's form inside other servers, at the least cost: an event of what is read.

What these servers hand over becomes an event with body, headers and `isBase64Encoded` only, no
more than the workloads look at: they do not pay for what they would not do by themselves.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


def load(handler: str) -> Callable[[Any, Any], Any]:
    """The function that "module:function" names."""
    module, _, name = handler.partition(":")
    found: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), name)
    return found


def call(handler: Callable[[Any, Any], Any], headers: dict[str, str], body: bytes) -> Answer:
    """(status, headers, body) of the handler's answer."""
    text = headers.get("content-type", "").startswith(("text/", "application/json"))
    event: dict[str, Any] = {"headers": headers, "isBase64Encoded": bool(body) and not text}
    if body:
        event["body"] = body.decode() if text else base64.b64encode(body).decode()
    result = handler(event, None)
    if isinstance(result, dict) and "statusCode" in result:
        answer = result.get("body") or ""
        data = base64.b64decode(answer) if result.get("isBase64Encoded") else answer.encode()
        return result["statusCode"], result.get("headers", {}), data
    return 200, {"content-type": "application/json"}, json.dumps(result).encode()


def asgi(handler: str) -> Any:
    """The ASGI application that serves "module:function"."""
    function = load(handler)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        body = b""
        if scope["method"] not in ("GET", "HEAD"):
            pieces = []
            while True:
                message = await receive()
                pieces.append(message.get("body", b""))
                if not message.get("more_body"):
                    break
            body = b"".join(pieces)
        status, answered, data = call(function, headers, body)
        head = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in answered.items()
        ]
        head.append((b"content-length", b"%d" % len(data)))
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": data})

    return app
