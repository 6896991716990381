"""CRC-32 with the values of ``zlib.crc32``, as the ring computes it for its frames."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint32_t

from aetherless_py.shm cimport native

cdef extern from "crc32.c":
    pass

_KNOWN = (  # best first
    "x86-vpclmulqdq-avx512",
    "x86-vpclmulqdq-avx2",
    "x86-pclmulqdq",
    "arm-pmull",
    "arm-crc32",
    "portable",
)

# Below this many bytes, giving up the GIL costs more than other threads could gain from it.
cdef size_t _RELEASE_GIL_BYTES = 65536


def crc32(data, value=0):
    """CRC-32 of a contiguous buffer; ``value`` is that of the bytes before it."""
    cdef uint32_t crc = <uint32_t>(value & 0xFFFFFFFF)
    cdef Py_buffer view
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)  # not a memoryview: any item type will do
    try:
        if <size_t>view.len < _RELEASE_GIL_BYTES:
            crc = native.aether_crc32(crc, view.buf, <size_t>view.len)
        else:
            with nogil:
                crc = native.aether_crc32(crc, view.buf, <size_t>view.len)
    finally:
        PyBuffer_Release(&view)
    return crc


def implementation():
    """Name of the implementation in use."""
    return native.aether_crc32_implementation().decode("ascii")


def available():
    """Names of the implementations that this machine can run, best first."""
    cdef bytes used = native.aether_crc32_implementation()
    try:
        return tuple(n for n in _KNOWN if native.aether_crc32_force(n.encode("ascii")) == 0)
    finally:
        native.aether_crc32_force(used)


def force(name):
    """Use another implementation. For tests, and only while nothing else computes."""
    if native.aether_crc32_force(name.encode("ascii")) != 0:
        raise ValueError(f"checksum implementation {name!r} is not available here")
