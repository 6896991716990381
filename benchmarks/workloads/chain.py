"""chain: a body passed on from function to function, as far as their environments say.

Source: STeLLAR's chains (Ustiugov et al., IISWC 2021), which hand a payload from function to
function. Each function of a chain is served with this handler, and its environment says what is
behind it:

- `CHAIN_NEXT`: the id of the next function; not there in the last one, or one alone.
- `CHAIN_WAY`: "tail", by the runtime's tail call, which frees this function; or "http", by a
  request to the gateway over a connection that each thread keeps, which holds this function until
  all behind it have answered.
- `CHAIN_URL`: the gateway's, for "http", as http://127.0.0.1:8080.

The first four bytes of the body are a count, little endian, to which each function adds one.
"""

from __future__ import annotations

import base64
import http.client
import os
import threading
from typing import Any
from urllib.parse import urlsplit

NAME = "chain"

_COUNT_BYTES = 4
_TYPE = "application/octet-stream"
_NEXT = os.environ.get("CHAIN_NEXT")
_WAY = os.environ.get("CHAIN_WAY", "tail")
if _WAY not in ("tail", "http"):
    raise ValueError(f"CHAIN_WAY is {_WAY!r}: it must be tail or http")
_URL = urlsplit(os.environ["CHAIN_URL"]) if _NEXT and _WAY == "http" else None


_own = threading.local()  # each thread's connection to the gateway


def handler(event: Any, context: Any) -> Any:
    """The body, counted, for the next function or the client."""
    if not event.get("body"):  # somebody asks whether it is up
        return {}
    body = bytearray(base64.b64decode(event["body"]))
    count = int.from_bytes(body[:_COUNT_BYTES], "little") + 1
    body[:_COUNT_BYTES] = count.to_bytes(_COUNT_BYTES, "little")
    if _NEXT is not None and _WAY == "http":
        return _answer(*_asked(_NEXT, body))
    answer = _answer(200, _TYPE, body)
    if _NEXT is not None:
        answer["headers"]["x-aether-next"] = _NEXT
    return answer


def _answer(status: int, kind: str, body: bytes | bytearray) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": kind},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }


def _asked(name: str, body: bytearray) -> tuple[int, str, bytes]:
    """(status, content type, body) of what a function answers over HTTP."""
    gateway = getattr(_own, "gateway", None)
    if gateway is None:
        assert _URL is not None and _URL.hostname is not None
        gateway = _own.gateway = http.client.HTTPConnection(_URL.hostname, _URL.port)
    try:
        gateway.request("POST", f"/function/{name}", body, {"content-type": _TYPE})
        response = gateway.getresponse()
        return response.status, response.headers.get("content-type", ""), response.read()
    except BaseException:
        gateway.close()  # the next request opens it anew
        raise


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """A body of `size` bytes, of which the first are the count."""
    return "POST", "/", {"content-type": _TYPE}, bytes(_COUNT_BYTES) + expected(size, seed)


def expected(size: int, seed: int) -> bytes:
    """What follows the count."""
    from random import Random

    return Random(seed).randbytes(size - _COUNT_BYTES)


def fault(expected: bytes, body: bytes, functions: int = 1) -> str | None:
    """A count of other functions than there are, or the first byte that is another one."""
    from benchmarks.workloads import echo

    count = int.from_bytes(body[:_COUNT_BYTES], "little")
    if count != functions:
        return f"{count} functions have counted themselves, not {functions}"
    return echo.fault(expected, body[_COUNT_BYTES:])
