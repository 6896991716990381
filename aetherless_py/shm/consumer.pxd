"""The reading side of a ring."""

from libc.stdint cimport uint32_t, uint64_t

from aetherless_py.shm.side cimport Side


cdef class Consumer(Side):
    cdef uint32_t tag            # of the last message: see layout.h
    cdef uint64_t peeked         # bytes of the frame that peek handed out; 0 when none is
    cdef object postponed        # an error that read_many met behind messages it handed over

    cdef int available(self, uint64_t deadline_ns, bint block) except -1
    cdef int refuse(self) except -1
    cdef uint64_t frame_at(self, uint64_t at, uint32_t *length) noexcept
    cdef uint64_t next_frame(self, uint32_t *length) except 0
    cdef int damaged(self, uint64_t at, str reason) except -1
    cdef object take(self)
    cdef object get(self, uint64_t deadline_ns, bint block)
    cdef object get_view(self, uint64_t deadline_ns)
    cdef uint64_t mark_handed_out(self) noexcept
    cdef int skip_handed_out(self) except -1
    cpdef release(self)
