"""What is measured: the one place that is contacted."""

from __future__ import annotations

import re
import socket

from benchmarks.load.request import Request

_URL = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::([0-9]{1,9}))?((?:/[!-~]*|\?[!-~]*)?)", re.I
)


def parsed(written: str) -> Request:
    """The request for nothing but a URL; without scheme and host it is the loopback.

    Raises:
        ValueError: it is none; the message does not repeat it, since it may hold a password.
    """
    whole = re.sub("^:", "http://127.0.0.1:", written)
    whole = re.sub("^/(?!/)", "http://127.0.0.1:8080/", whole)  # where `aetherless up` listens
    found = _URL.fullmatch(whole)
    if found is None or "#" in whole:
        raise ValueError(
            "give http(s)://HOST[:PORT]/PATH, or for the loopback :PORT/PATH or /PATH; encoded "
            "(%20), without #fragment; a user by --header 'Authorization: ...'"
        )
    scheme, host, port, path = found.groups()
    tls = scheme.lower() == "https"
    return Request(
        host.strip("[]").lower(),
        int(port or (443 if tls else 80)),
        path if path.startswith("/") else f"/{path}",
        tls=tls,
    )


def url(request: Request) -> str:
    """Without the query, which may hold a key."""
    path, mark, _ = request.path.partition("?")
    return f"{'https' if request.tls else 'http'}://{request.place}{path}{mark and '?...'}"


def reached(request: Request, timeout_s: float) -> str:
    """The first address of the host that takes a connection.

    Raises:
        OSError: none does, or there is none; the message says why.
    """
    # What it is does not hang on the system's files (RFC 6761, section 6.3).
    hosts = ("127.0.0.1", "::1") if request.host == "localhost" else (request.host,)
    refused = []
    for host in hosts:
        try:
            with socket.create_connection((host, request.port), timeout_s) as connection:
                return str(connection.getpeername()[0])
        except (OSError, UnicodeError) as error:  # the latter of what is no name at all
            refused.append(getattr(error, "strerror", None) or str(error))
    raise OSError(f"cannot connect to {request.place}: {'; '.join(dict.fromkeys(refused))}")
