"""What `lambda_runtime` needs of AWS's HTTP API: HTTP, and events and responses as JSON."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from benchmarks.servers.base import HOST

with contextlib.suppress(ImportError):  # asv imports every module, also where these are missing
    import httptools
    import orjson
    import pybase64

JSON = {"content-type": "application/json"}
_TEXTS = ("application/json", "application/xml", "application/javascript")


@dataclass(eq=False, slots=True)
class Request:
    """A whole request, and where its answer goes.

    Attributes:
        what: method and target.
        headers: with names in lower case.
    """

    connection: Connection
    what: tuple[str, str]
    headers: list[tuple[str, str]]
    body: bytes


class Connection(asyncio.Protocol):
    """HTTP/1.1 with somebody who sends no request before the one before is answered.

    Args:
        hear: is called with each request.

    Attributes:
        gone: nobody waits there for an answer any more.
    """

    def __init__(self, hear: Callable[[Request], None]) -> None:
        self._hear, self.gone = hear, False
        self._parser = httptools.HttpRequestParser(self)
        self._whole: Request | None = None

    def connection_made(self, transport: Any) -> None:
        """Somebody has connected."""
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        """They are gone."""
        self.gone = True

    def data_received(self, data: bytes) -> None:
        """Bytes have come; what is no HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()
            return
        if self._whole is not None:
            request, self._whole = self._whole, None
            self._hear(request)

    def on_message_begin(self) -> None:
        """The first byte of a request, from the parser as are the others."""
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._pieces: list[bytes] = []

    def on_url(self, piece: bytes) -> None:
        """A piece of the target."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """The request is there whole."""
        self._keep = self._parser.should_keep_alive()
        what = self._parser.get_method().decode(), self._target.decode("latin-1")
        self._whole = Request(self, what, self._headers, b"".join(self._pieces))

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Answers the request that has come last."""
        lines = [f"HTTP/1.1 {status} "]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"content-length: {len(body)}", *([] if self._keep else ["connection: close"])]
        self._transport.writelines(["\r\n".join([*lines, "\r\n"]).encode("latin-1"), body])
        if not self._keep:
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
