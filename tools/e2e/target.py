"""What is measured: the one address that is contacted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
PORT = 8080  # where `aetherless up` listens
_PORTS = {"http": 80, "https": 443}
_FORMS = "give http://HOST[:PORT]/PATH, https://..., or for the loopback :PORT/PATH or /PATH"


@dataclass(frozen=True, slots=True)
class Target:
    """A place that HTTP is spoken with.

    Attributes:
        tls: whether it is HTTPS.
        host: a name or an address, without brackets.
        port: of TCP.
        path: with the query, as it is sent.
    """

    tls: bool
    host: str
    port: int
    path: str

    @classmethod
    def parsed(cls, written: str) -> Self:
        """Of a URL; without scheme and host it is the loopback.

        Raises:
            ValueError: it is none; the message repeats no password.
        """
        if re.search(r"[\x00-\x20\x7f]", written):
            raise ValueError("blanks or control characters in the URL: encode them (%20)")
        if "#" in written:
            raise ValueError("a fragment (#...) is never sent; leave it out")
        if written.startswith(":"):
            written = f"http://{LOOPBACK}{written}"
        elif written.startswith("/") and not written.startswith("//"):
            written = f"http://{LOOPBACK}:{PORT}{written}"
        scheme, separator, rest = written.partition("://")
        if "@" in re.split(r"[/?]", rest, maxsplit=1)[0]:
            raise ValueError(
                "user and password in a URL are not taken; give --header 'Authorization: ...'"
            )
        if scheme.lower() not in _PORTS or not separator:
            raise ValueError(f"{written!r}: {_FORMS}")
        try:
            parts = urlsplit(written)
            port = _PORTS[parts.scheme] if parts.port is None else parts.port
        except ValueError as error:
            raise ValueError(f"{written!r}: {error}; {_FORMS}") from error
        if not parts.hostname:
            raise ValueError(f"{written!r}: no host; {_FORMS}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", parts.hostname, port, path)

    @property
    def place(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        """The URL without its query, which may hold a key."""
        path, mark, _ = self.path.partition("?")
        return f"{'https' if self.tls else 'http'}://{self.place}{path}{mark and '?...'}"
