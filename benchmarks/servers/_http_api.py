"""What `lambda_runtime` needs of AWS's HTTP API: HTTP, and events and responses as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from benchmarks.servers.base import HOST
from benchmarks.starts._runtime_api import JSON, Connection, Request

with contextlib.suppress(ImportError):  # asv imports every module, also where these are missing
    import httptools
    import orjson
    import pybase64

_TEXTS = ("application/json", "application/xml", "application/javascript")


class Listened(Connection, asyncio.Protocol):
    """A connection in an event loop.

    Args:
        hear: is called with each request.
    """

    def __init__(self, hear: Callable[[Request], None]) -> None:
        super().__init__()
        self._hear = hear

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.gone = True

    def data_received(self, data: bytes) -> None:
        """Bytes have come; what is no HTTP ends the connection."""
        try:
            self.feed(data)
        except httptools.HttpParserError:
            self._transport.abort()
            return
        while self.requests:
            self._hear(self.requests.popleft())

    def write(self, head: bytes, body: bytes, keep: bool) -> None:
        self._transport.writelines([head, body])
        if not keep:
            self._transport.close()


def event_of(request_id: str, request: Request) -> dict[str, Any]:
    """The event of AWS's HTTP API, in its payload format 2.0."""
    method, target = request.what
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    cookies = headers.pop("cookie", None)
    domain = headers.get("host", "localhost").partition(":")[0]
    path, now = unquote(path), time.time()
    event = {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": headers, "isBase64Encoded": False,
        "requestContext": {
            "accountId": "000000000000", "apiId": "aetherless", "domainName": domain,
            "domainPrefix": domain.partition(".")[0], "requestId": request_id,
            "routeKey": "$default", "stage": "$default", "timeEpoch": int(now * 1000),
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": HOST,
                "userAgent": headers.get("user-agent", ""),
            },
        },
    }  # fmt: skip
    if cookies:
        event["cookies"] = [each.strip() for each in cookies.split(";")]
    if query:
        parameters: dict[str, str] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
        event["queryStringParameters"] = parameters
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers)
    return event


def _body(body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind in _TEXTS:
        with contextlib.suppress(UnicodeDecodeError):
            return body.decode(), False
    return pybase64.b64encode_as_string(body), True


def answer(client: Connection, given: bytes | None) -> None:
    """Answers a client: with what the function gave; where that is no response, with AWS's 500."""
    if client.gone:
        return
    if given is not None:
        try:
            client.answer(*_response(given))
            return
        except (ValueError, TypeError, AttributeError) as error:
            print(f"the answer of the function is none: {error}")
    client.answer(500, JSON, b'{"message":"Internal Server Error"}')


def _response(given: bytes) -> tuple[int, Mapping[str, str], bytes]:
    result = orjson.loads(given)
    if not isinstance(result, dict) or "statusCode" not in result:
        return 200, JSON, given
    body = result.get("body") or ""
    given_headers = (result.get("headers") or {}).items()
    headers = {"content-type": "text/plain; charset=utf-8"}
    headers |= {name.lower(): value for name, value in given_headers}
    data = pybase64.b64decode(body) if result.get("isBase64Encoded") else body.encode()
    return int(result["statusCode"]), headers, data
