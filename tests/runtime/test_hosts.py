"""Which hosts a client may name."""

from __future__ import annotations

import pytest

from aetherless_py.runtime.config import OrchestratorConfig
from aetherless_py.runtime.hosts import ALL, Hosts, checked

LOCAL = [
    "localhost", "LocalHost:8080", "a.localhost", "localhost.", "127.0.0.1", "127.9.9.9:1", "[::1]",
    "[::1]:8080", "[0:0::1]", "[::ffff:127.0.0.1]", "", ":8080",
]  # fmt: skip
FOREIGN = [
    "a.example", "localhost.example", "alocalhost", "127.0.0.1.example", "128.0.0.1", "10.0.0.1:80",
    "[::2]", "[::ffff:10.0.0.1]", "0x7f.1", "2130706433", ".",
]  # fmt: skip


@pytest.mark.parametrize("listens", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "LOCALHOST"])
def test_who_listens_on_this_machine_serves_its_names(listens: str) -> None:
    hosts = OrchestratorConfig(host=listens).served_hosts
    for _ in range(2):  # known, and not yet
        assert all(hosts.allow(each.encode()) for each in LOCAL)
        assert not any(hosts.allow(each.encode()) for each in FOREIGN)
    assert hosts.known == {each.encode() for each in LOCAL}


@pytest.mark.parametrize("listens", ["0.0.0.0", "::", "10.0.0.1", "a.example"])
def test_who_listens_for_others_has_every_name(listens: str) -> None:
    hosts = OrchestratorConfig(host=listens).served_hosts
    assert all(hosts.allow(each.encode()) for each in [*LOCAL, *FOREIGN, listens])


def test_what_is_said_is_what_holds_and_where_it_listens() -> None:
    said = ("A.example", "*.b.example", "10.0.0.0/8", "[fe80::1]", "bücher.example")
    hosts = OrchestratorConfig(host="192.0.2.1", allowed_hosts=said).served_hosts
    for each in (
        "a.example", "a.EXAMPLE:1", "x.b.example", "x.y.b.example.", "10.255.0.1", "[fe80::1]:80",
        "xn--bcher-kva.example", "192.0.2.1:8080",
    ):  # fmt: skip
        assert hosts.allow(each.encode()), each
    for each in ("b.example", "xb.example", "x.a.example", "11.0.0.1", "localhost", "192.0.2.2"):
        assert not hosts.allow(each.encode()), each


def test_what_is_known_has_bounds() -> None:
    hosts = Hosts((ALL,))
    for number in range(1000):
        assert hosts.allow(b"a%d" % number)
    assert len(hosts.known) < 500 and hosts.allow(b"a0")


@pytest.mark.parametrize(
    "pattern",
    ["", "a:80", "*a", "*.", "*.*.a", "a..b", "http://a", "a/b", "a b", "[a]", "ü" * 70, "-\0"],
)
def test_what_is_no_host_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="is no host: it must be a name"):
        checked(pattern)
