"""What both sides of a ring share."""

from libc.stdint cimport UINT64_MAX, uint32_t, uint64_t

from aetherless_py.shm cimport native
from aetherless_py.shm.native cimport aether_frame, aether_role, aether_side
from aetherless_py.shm.region cimport Region

cdef extern from "Python.h":
    Py_ssize_t PyNumber_AsSsize_t(object number, void *error) except? -1

cdef enum:
    ALIGN_MASK = 63
    # Many messages are published at least this often, so that the peer works alongside.
    BATCH_BYTES = 16384
    # How often a side that does not wait looks whether its peer lives.
    LOOK_EVERY_NS = 20000000

cdef uint64_t deadline_of(object timeout) except 0
cdef int take_buffer(object exporter, Py_buffer *buffer, int flags) except -1
cdef tuple ways_of_waiting(object wait)


cdef inline uint64_t deadline(object timeout) except 0:
    """The moment at which a wait that begins now ends; `timeout` in seconds or None."""
    return UINT64_MAX if timeout is None else deadline_of(timeout)


cdef inline Py_ssize_t clipped(object number) except? -1:
    """A whole number of the caller's, which may be too large for the machine: as near as it can be."""
    return PyNumber_AsSsize_t(number, NULL)


cdef inline uint32_t crc_seed(uint32_t length, uint32_t tag) noexcept:
    """The CRC of a frame so far, when its payload is about to come: see layout.h."""
    return native.aether_crc32_u32(length) ^ tag


cdef inline uint32_t frame_crc(aether_frame *frame, uint32_t length, uint32_t tag) noexcept:
    """The CRC of a frame whose payload lies in place."""
    return native.aether_crc32(
        crc_seed(length, tag), <char *>frame + native.AETHER_FRAME_HEADER, length)


cdef class Side:
    cdef Region region
    cdef str name
    cdef uint32_t key            # of the frames' positions: see layout.h
    cdef char *data
    cdef uint64_t capacity, mask
    cdef uint64_t index          # ours; what the segment shows is only written by us
    cdef uint64_t cached         # the peer's, as last seen and checked
    cdef aether_side *side
    cdef aether_side *peer_side
    cdef aether_role *role
    cdef aether_role *peer_role
    cdef int own_lock, peer_lock
    cdef uint32_t past, expected  # states of the peer: see aether_peer_gone
    cdef int fd
    cdef bint checksum
    cdef bint is_producer
    cdef uint64_t spin_ns, busy_ns
    cdef bint asymmetric         # SYNC POINT W by membarrier: see wait.h
    cdef int bell                # the socket for a peer that sleeps elsewhere: see wait.h
    cdef bint is_open
    cdef bint in_wait
    cdef int closing
    cdef uint64_t looked_ns      # when the peer's life was last checked without waiting
    cdef object view             # the memoryview that reserve or peek handed out
    cdef char *view_data
    cdef Py_ssize_t view_bytes
    cdef Py_ssize_t exports
    cdef bint view_readonly
    cdef object __weakref__

    cdef int claim(self, Region region, bint is_producer, object wait) except -1
    cdef int check_usable(self) except -1
    cdef int wait_for(self, uint64_t seen, uint64_t deadline_ns) except -1
    cdef int look(self) except -1
    cdef bint due(self) noexcept
    cdef native.aether_wait_result peer_gone(self) noexcept
    cdef int leave(self) noexcept
    cdef int give_lock(self) noexcept
    cdef str peer_name(self)
    cdef object hand_out(self, char *data, Py_ssize_t size_bytes)
    cdef int take_back(self) except -1


cdef inline void publish(Side side) noexcept:
    """Shows the peer our index; not after a close, since then the role may be another's."""
    if side.is_open:
        native.aether_publish(
            side.side, side.index, side.peer_role, side.asymmetric, side.bell)
