"""What a function is told of the client behind the gateway."""

from __future__ import annotations

from collections.abc import Sequence

Header = tuple[bytes, bytes]


def forwarded(headers: Sequence[Header], client: str, scheme: str = "http") -> list[Header]:
    """The headers with X-Forwarded-For, -Proto and -Host.

    In front of this gateway may stand others: they are named first, and have seen more of it.

    Args:
        headers: of the request.
        client: its address.
        scheme: by which it came here.
    """
    came_by, kept, host = [], [], b""
    told = set()
    for header in headers:
        name = header[0].lower()
        if name == b"x-forwarded-for":
            came_by.append(header[1])
            continue
        if name == b"host":
            host = header[1]
        elif name.startswith(b"x-forwarded-"):
            told.add(name)
        kept.append(header)
    came_by.append(client.encode("ascii"))
    kept.append((b"x-forwarded-for", b", ".join(came_by)))
    if b"x-forwarded-proto" not in told:
        kept.append((b"x-forwarded-proto", scheme.encode("ascii")))
    if host and b"x-forwarded-host" not in told:
        kept.append((b"x-forwarded-host", host))
    return kept
