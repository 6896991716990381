"""The form of requests and responses: what goes in comes out, and nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aetherless_py.runtime import wire

LATIN = st.characters(max_codepoint=255, blacklist_characters="\n\r\0")
WORD = st.text(LATIN, max_size=30)
PIECE = WORD.map(lambda text: text.encode("latin-1"))
NAME = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=12)
BODY = st.lists(st.binary(max_size=300), max_size=3)


def _whole(parts: list[wire.Buffer]) -> bytes:
    return b"".join(bytes(part) for part in parts)


@given(
    WORD, PIECE, PIECE, st.lists(st.tuples(NAME.map(str.encode), PIECE), max_size=5), BODY,
    st.integers(0, 1 << 62), st.integers(0, 1 << 62),
)  # fmt: skip
def test_a_request_comes_out_as_it_went_in(
    method: str,
    path: bytes,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: list[bytes],
    received_ns: int,
    deadline_ns: int,
) -> None:
    message = wire.request(
        "id", method, path, query, "::1", received_ns, deadline_ns, headers, body
    )
    found = wire.Request(memoryview(_whole(message)))
    assert (found.id, found.method, found.client) == ("id", method, "::1")
    assert (found.path, found.query) == (path.decode("latin-1"), query.decode("latin-1"))
    assert (found.received_ns, found.deadline_ns) == (received_ns, deadline_ns)
    assert found.headers == [(name.decode(), value.decode("latin-1")) for name, value in headers]
    assert bytes(found.body) == b"".join(body)


@given(
    st.integers(200, 599), st.integers(0, 1 << 62), st.booleans(),
    st.lists(st.tuples(NAME, WORD), max_size=5), st.binary(max_size=300),
)  # fmt: skip
def test_a_response_comes_out_as_it_went_in(
    status: int, took_ns: int, failed: bool, headers: list[tuple[str, str]], body: bytes
) -> None:
    found = wire.Response(_whole(wire.response(status, took_ns, failed, headers, body)))
    assert (found.status, found.function_ns, found.failed) == (status, took_ns, failed)
    assert found.headers == [(name.encode(), value.encode("latin-1")) for name, value in headers]
    assert bytes(found.body) == body


def _framed(head: bytes) -> bytes:
    return len(head).to_bytes(4, "little") + head


@given(
    st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=200).map(_framed),
        st.lists(
            st.sampled_from([b"200", b"ok", b"error", b"-1", b"9" * 5000, b"a:b", b":", b"\xff"]),
            max_size=12,
        ).map(b"\n".join).map(_framed),
    )
)  # fmt: skip
@example(b"")
@example(_framed(b""))
@example(_framed(b"200\n1\nok\nno colon"))
@example(_framed(b"200\n1\nok\n:no name"))
@example(_framed(b"200\n1\nok\na:b\rc"))
@example(_framed(b"99\n1\nok"))
@example(_framed("٢٠٠\n1\nok".encode()))
@example(b"\xff\xff\xff\xff200")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for kind in (wire.Request, wire.Response):
        try:
            found = kind(memoryview(data))
        except wire.WireError:
            continue
        if isinstance(found, wire.Response):
            assert 200 <= found.status <= 599
            for name, value in found.headers:
                assert name and not {b"\n", b"\r", b"\0"} & {
                    (name + value)[at : at + 1] for at in range(len(name + value))
                }


@pytest.mark.parametrize(
    "header",
    [("", "x"), ("a b", "x"), ("a:b", "x"), ("ä", "x"), ("a\n", "x"), ("a", "x\ny"), ("a", "x\ry"),
     ("a", "x\0"), ("a", "€"), ("a", "x" * (wire.HEAD_LIMIT_BYTES + 1))],
)  # fmt: skip
def test_headers_that_http_does_not_allow_are_not_sent(header: tuple[str, str]) -> None:
    with pytest.raises(ValueError):
        wire.response(200, 0, False, [header], b"")
