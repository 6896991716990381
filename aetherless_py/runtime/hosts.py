"""Which hosts a client may name in its requests.

A browser lets a page read what comes from the page's own host. Whoever owns that host's name can
have it lead to this machine as soon as the page is loaded (DNS rebinding), and then read and send
what only this machine's users should. Such requests name the page's host: it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

ALL = "*"
LOOPBACK = ("localhost", "*.localhost", "127.0.0.0/8", "::1")
_NAME = re.compile(r"[\w-]+(\.[\w-]+)*", re.ASCII)
_KEPT = 256  # of a client that makes up names that are allowed

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def checked(pattern: str) -> str:
    """The pattern.

    Raises:
        ValueError: it is none, and why.
    """
    name = _ascii(pattern).removeprefix("*.")
    if pattern != ALL and _network(pattern) is None and not _NAME.fullmatch(name):
        raise ValueError(
            f"{pattern[:80]!r} is no host: it must be a name, '*.NAME' for all names below it, an"
            " address, a network as 10.0.0.0/8, or '*' for every host; without a port"
        )
    return pattern


class Hosts:
    """The hosts that are served.

    Args:
        patterns: each as `checked` takes it; others match nothing.

    Attributes:
        known: those that were allowed before, as clients write them: to look here first is quick.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.known: set[bytes] = set()
        patterns = [each.lower() for each in patterns]
        self._all = ALL in patterns
        self._networks = [found for each in patterns if (found := _network(each)) is not None]
        names = [name for each in patterns if (name := _ascii(each))]
        self._names = set(names)
        self._ends = tuple(each[1:] for each in names if each.startswith("*."))

    def allow(self, value: bytes) -> bool:
        """Whether a client may name it: a host, with its port or without.

        An empty one names nobody, as HTTP/1.0 may do, and as no browser does.
        """
        name = value.decode("latin-1").lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name and not self.allow_name(name):
            return False
        if len(self.known) >= _KEPT:
            self.known.clear()
        self.known.add(value)
        return True

    def allow_name(self, name: str) -> bool:
        """The same of a name, or an address, in lower case and without brackets."""
        name = name.removesuffix(".")  # of the root of all names
        if self._all or name in self._names or name.endswith(self._ends):
            return True
        address = _address(name)
        return address is not None and any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # An IPv4 address as one of IPv6, as sockets that listen on both have it.
    return getattr(address, "ipv4_mapped", None) or address


def _network(text: str) -> Network | None:
    try:
        return ip_network(text.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None


def _ascii(name: str) -> str:
    """A name, or a pattern of names, as clients write it; "" where it is none."""
    try:
        return name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        return ""
