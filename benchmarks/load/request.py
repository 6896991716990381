"""The one request that a run sends again and again, as bytes of HTTP/1.1."""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"/[\x21-\x7e]*")
# Of these an answer ends where the parser does not expect it (RFC 9112, section 6.3).
_METHODS_LEFT_OUT = ("HEAD", "CONNECT")
_OURS = ("connection", "content-length", "transfer-encoding")


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and where to.

    Attributes:
        host, port: of the server; nothing else is contacted.
        address: of the host's, that is contacted; None for the first one that is found.
        path: the target, with the query.
        method: of HTTP, but not HEAD or CONNECT.
        headers: names and values beside Content-Length. A Host takes the place of the server's
            own name, for those who route by it.
        body: the content.
        tls: whether to speak HTTPS.
        ca_file: certificates to trust in place of the system's.

    Raises:
        ValueError: it cannot be sent as HTTP/1.1; the message says what is wrong.
    """

    host: str
    port: int
    path: str = "/"
    method: str = "GET"
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    tls: bool = False
    ca_file: str | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[0-9A-Za-z._:-]+", self.host):
            raise ValueError(f"host {self.host!r}: give a name or an address")
        if not 0 < self.port < 65536:
            raise ValueError(f"port {self.port}: give one from 1 to 65535")
        if not _TARGET.fullmatch(self.path):
            raise ValueError(f"path {self.path!r}: give one that begins with / and is encoded")
        if not _TOKEN.fullmatch(self.method) or self.method in _METHODS_LEFT_OUT:
            raise ValueError(f"method {self.method!r}: give one of HTTP, but not HEAD or CONNECT")
        for name, value in self.headers:
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
                raise ValueError(f"header {name!r}: its name or value is none of HTTP")
            if name.lower() in _OURS:
                raise ValueError(f"header {name!r}: it is set by the generator")
        if len(self._hosts) > 1:
            raise ValueError("header 'Host': give it once")

    @property
    def _hosts(self) -> list[str]:
        return [value for name, value in self.headers if name.lower() == "host"]

    @property
    def place(self) -> str:
        """Host and port, as a URL has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def wire(self) -> bytes:
        """All its bytes."""
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        if not self._hosts:
            lines.append(f"Host: {self.place.removesuffix(':443' if self.tls else ':80')}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body

    def context(self) -> ssl.SSLContext | None:
        """For the connections; None without TLS.

        Raises:
            OSError: `ca_file` cannot be used.
        """
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None
