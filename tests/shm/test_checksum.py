"""Every implementation this machine can run gives the values of zlib."""

from __future__ import annotations

import random
import zlib
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherless_py.shm import checksum

NOISE = random.Random(32).randbytes(1 << 20)


@pytest.fixture(params=checksum.available(), autouse=True, scope="module")
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    before = checksum.implementation()
    checksum.force(request.param)
    yield request.param
    checksum.force(before)


def test_is_in_use(name: str) -> None:
    assert checksum.implementation() == name


def test_known_value() -> None:
    assert checksum.crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize("offset", [0, 1, 7, 16, 33, 63])
@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF, 0xDEADBEEF])
def test_every_short_length(offset: int, value: int) -> None:
    view = memoryview(NOISE)
    for length in range(1101):
        data = view[offset : offset + length]
        assert checksum.crc32(data, value) == zlib.crc32(data, value), length


@pytest.mark.parametrize("length", [4095, 4096, 4097, 65535, 65536, 65537, 1 << 20])
def test_long(length: int) -> None:
    assert checksum.crc32(NOISE[:length]) == zlib.crc32(NOISE[:length])


def test_long_at_every_misalignment() -> None:
    view = memoryview(NOISE)
    for offset in range(64):
        data = view[offset : offset + 9001 + offset]
        assert checksum.crc32(data) == zlib.crc32(data), offset


@given(st.lists(st.binary(max_size=700), max_size=6), st.integers(0, 0xFFFFFFFF))
def test_chained(parts: list[bytes], value: int) -> None:
    chained = value
    for part in parts:
        chained = checksum.crc32(part, chained)
    assert chained == zlib.crc32(b"".join(parts), value)


@given(st.integers(0, 300_000), st.integers(0, 4096), st.integers(0, 0xFFFFFFFF))
def test_any_slice(length: int, offset: int, value: int) -> None:
    data = memoryview(NOISE)[offset : offset + length]
    assert checksum.crc32(data, value) == zlib.crc32(data, value)


def test_other_buffers() -> None:
    for data in (bytearray(NOISE[:100]), memoryview(NOISE)[3:99], array("d", range(50))):
        assert checksum.crc32(data) == zlib.crc32(data)


def test_refuses_what_is_not_contiguous() -> None:
    with pytest.raises(BufferError):
        checksum.crc32(memoryview(NOISE)[::2])


def test_refuses_text() -> None:
    with pytest.raises(TypeError):
        checksum.crc32("text")  # type: ignore[arg-type]


def test_unknown_name() -> None:
    with pytest.raises(ValueError, match="not available"):
        checksum.force("abacus")
