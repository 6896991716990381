"""Every implementation this machine can run gives the values of zlib."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import random
import signal
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aetherless_py.shm import checksum

NOISE = random.Random(32).randbytes(1 << 20)


# The instructions that each implementation wants, in /proc/cpuinfo's words.
WANTED = {
    "x86-vpclmulqdq-avx512": {"vpclmulqdq", "avx512f", "avx512vl", "avx512bw"},
    "x86-vpclmulqdq-avx2": {"vpclmulqdq", "avx2"},
    "x86-pclmulqdq": {"pclmulqdq", "sse4_1"},
    "arm-pmull": {"pmull", "crc32"},
    "arm-crc32": {"crc32"},
    "portable": set(),
}

# The form that copies has no name in Python. The library is the one that `checksum` loaded, and
# with it the implementation that `force` has chosen.
_native = ctypes.CDLL(checksum.__file__)
_native.aether_crc32_copy.argtypes = (
    ctypes.c_uint32,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_size_t,
)
_native.aether_crc32_copy.restype = ctypes.c_uint32


def crc32_copy(target: int, source: int, length: int, value: int = 0) -> int:
    return int(_native.aether_crc32_copy(value, target, source, length))


def address(buffer: bytearray | mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


@pytest.fixture(params=checksum.available(), autouse=True, scope="module")
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    before = checksum.implementation()
    checksum.force(request.param)
    yield request.param
    checksum.force(before)


def test_no_other_name() -> None:
    assert set(checksum.available()) <= set(WANTED)


def test_is_in_use(name: str) -> None:
    assert checksum.implementation() == name


def test_known_value() -> None:
    assert checksum.crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize("offset", [0, 1, 7, 16, 33, 63])
@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF, 0xDEADBEEF])
def test_every_short_length(offset: int, value: int) -> None:
    view = memoryview(NOISE)
    for length in range(2101):
        data = view[offset : offset + length]
        assert checksum.crc32(data, value) == zlib.crc32(data, value), length


def test_what_the_processor_can_run_is_there() -> None:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next(line for line in lines if line.startswith(("flags", "Features"))).split()
    arm = platform.machine() == "aarch64"
    possible = [
        name
        for name, wanted in WANTED.items()
        if wanted <= set(flags) and name.startswith(("portable", "arm" if arm else "x86"))
    ]
    assert list(checksum.available()) == possible


@pytest.mark.parametrize("length", [4095, 4096, 4097, 65535, 65536, 65537, 1 << 20])
def test_long(length: int) -> None:
    assert checksum.crc32(NOISE[:length]) == zlib.crc32(NOISE[:length])


def test_long_at_every_misalignment() -> None:
    view = memoryview(NOISE)
    for offset in range(64):
        data = view[offset : offset + 9001 + offset]
        assert checksum.crc32(data) == zlib.crc32(data), offset


@pytest.mark.parametrize(
    ("from_offset", "to_offset"), [(0, 0), (0, 16), (1, 32), (7, 3), (33, 16), (63, 1)]
)
def test_copy_of_every_short_length(from_offset: int, to_offset: int) -> None:
    source = bytearray(NOISE[:4096])
    target = bytearray(4096)
    for length in range(2101):
        target[: to_offset + length + 64] = b"#" * (to_offset + length + 64)
        value = NOISE[length]
        data = source[from_offset : from_offset + length]
        crc = crc32_copy(address(target) + to_offset, address(source) + from_offset, length, value)
        assert crc == zlib.crc32(data, value), length
        expected = b"#" * to_offset + data + b"#" * 64  # and nothing around it is touched
        assert target[: len(expected)] == expected, length


@pytest.mark.parametrize("length", [4095, 4096, 4097, 65535, 65536, 65537, 1 << 20])
def test_long_copy(length: int) -> None:
    source = bytearray(NOISE)
    target = bytearray(length)
    assert crc32_copy(address(target), address(source), length) == zlib.crc32(NOISE[:length])
    assert target == NOISE[:length]


def test_reads_nothing_around_the_message() -> None:
    """A message that fills its page from either end, between pages that cannot be touched."""
    page = mmap.PAGESIZE
    protect = ctypes.CDLL(None).mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    memory = mmap.mmap(-1, 3 * page)
    middle = address(memory) + page
    memory[page : 2 * page] = NOISE[:page]
    target = bytearray(page)
    _native.aether_crc32.argtypes = (ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t)
    _native.aether_crc32.restype = ctypes.c_uint32
    for untouchable in (middle - page, middle + page):
        assert protect(untouchable, page, 0) == 0  # PROT_NONE
    try:
        for length in range(page + 1):
            for start in (0, page - length):
                wanted = zlib.crc32(NOISE[start : start + length])
                assert _native.aether_crc32(0, middle + start, length) == wanted, length
                assert crc32_copy(address(target), middle + start, length) == wanted, length
                crc = crc32_copy(middle + start, address(target), length)  # puts it back
                assert crc == wanted, length
    finally:
        for untouchable in (middle - page, middle + page):
            protect(untouchable, page, mmap.PROT_READ | mmap.PROT_WRITE)


def test_copy_is_what_was_checked_while_the_source_changes() -> None:
    source = mmap.mmap(-1, mmap.PAGESIZE)  # shared with the child
    target = bytearray(320)
    ones, twos = b"1" * 320, b"2" * 320
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        while os.getppid() == parent:
            for _ in range(1000):
                source[:320] = ones
                source[:320] = twos
        os._exit(0)
    try:
        from_address, to_address = address(source), address(target)
        for turn in range(30_000):
            length = 1 + turn % 319
            crc = crc32_copy(to_address, from_address, length)
            assert crc == zlib.crc32(memoryview(target)[:length]), length
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


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
