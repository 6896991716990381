"""chain: a body passed on from function to function, as far as their environments say.

Source: STeLLAR's chains (Ustiugov et al., IISWC 2021), which hand a payload from function to
function. Each is served with this handler, and its environment says what is behind it: see
docs/workloads.md. A tail call frees this function; a request to the gateway holds it until all
behind it have answered.

The body is text, so that no time goes into base64; its first four characters are a number, to which
each function adds one.
"""

from __future__ import annotations

import http.client
import os
import threading
from typing import Any
from urllib.parse import urlsplit

WORKLOAD = {
    "name": "chain",
    "variants": ("bytes=1024", "bytes=65536", "bytes=1048576"),
    "imports": ("http.client",),
    "kind": "text/plain",
}

_COUNT_BYTES = 4
_TYPE = "text/plain"
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
    body = f"{int(event['body'][:_COUNT_BYTES]) + 1:04}{event['body'][_COUNT_BYTES:]}"
    if _NEXT is None:
        return {"statusCode": 200, "headers": {"content-type": _TYPE}, "body": body}
    if _WAY == "tail":
        headers = {"content-type": _TYPE, "x-aether-next": _NEXT}
        return {"statusCode": 200, "headers": headers, "body": body}
    status, kind, answer = _asked(_NEXT, body)
    return {"statusCode": status, "headers": {"content-type": kind}, "body": answer}


def _asked(name: str, body: str) -> tuple[int, str, str]:
    """(status, content type, body) of what a function answers over HTTP."""
    gateway = getattr(_own, "gateway", None)
    if gateway is None:
        assert _URL is not None and _URL.hostname is not None
        gateway = _own.gateway = http.client.HTTPConnection(_URL.hostname, _URL.port)
    try:
        gateway.request("POST", f"/function/{name}", body.encode(), {"content-type": _TYPE})
        response = gateway.getresponse()
        kind, answer = response.headers.get("content-type", ""), response.read().decode()
        return response.status, kind, answer
    except BaseException:
        gateway.close()  # the next request opens it anew
        raise


def request(size: int, seed: int) -> tuple[str, str, dict[str, str], bytes]:
    """A body of `size` bytes, of which the first are the count."""
    return "POST", "/", {"content-type": _TYPE}, b"0" * _COUNT_BYTES + expected(size, seed)


def expected(size: int, seed: int) -> bytes:
    """What follows the count: hexadecimal digits."""
    from random import Random

    return Random(seed).randbytes((size - _COUNT_BYTES) // 2).hex().encode()


def fault(expected: bytes, body: bytes, functions: int = 1) -> str | None:
    """A count of other functions than there are, or the first byte that is another one."""
    from benchmarks.workloads.registry import difference

    count = body[:_COUNT_BYTES]
    if count != b"%04d" % functions:
        return f"{count!r} functions have counted themselves, not {functions}"
    return difference(expected, body[_COUNT_BYTES:])
