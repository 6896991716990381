"""The writing side of a ring."""

from libc.stdint cimport uint32_t, uint64_t

from aetherless_py.shm.native cimport aether_frame
from aetherless_py.shm.side cimport Side


cdef class Producer(Side):
    cdef uint32_t tag            # of the next messages: see layout.h
    cdef uint64_t reserved       # bytes of the reserved frame; 0 when none is
    cdef bint suspects           # the consumer seemed gone when last looked for

    cdef int room(self, uint64_t need, uint64_t deadline_ns, bint block) except -1
    cdef inline aether_frame *begin_frame(self, uint32_t length) noexcept
    cdef inline void fill(self, const void *payload, size_t size_bytes) noexcept
    cdef int place_parts(self, list parts, uint64_t deadline_ns, bint block) except -1
    cdef int place(self, object payload, uint64_t deadline_ns, bint block) except -1
    cdef inline int check_free(self) except -1
    cdef int refuse(self) except -1
    cdef int check_reserved(self) except -1
    cdef object reserve_until(self, object size_bytes, uint64_t deadline_ns, bint block)
    cpdef commit(self, size_bytes=?)
    cpdef abort(self)
    cdef uint64_t frame_bytes(self, size_t size_bytes) except 0
    cdef int put(self, object payload, uint64_t deadline_ns, bint block) except -1
