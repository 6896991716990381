"""A handler of Lambda's form as an ASGI application."""

from __future__ import annotations

from typing import Any

from adapter import call, load  # type: ignore[import-not-found]


def application(handler: str) -> Any:
    """The application that serves "module:function"."""
    function = load(handler)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """The function, as ASGI."""
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
