from libc.stdint cimport uint32_t, uint64_t

from aetherless_py.shm.native cimport aether_role, aether_side
from aetherless_py.shm.region cimport Region


cdef class Side:
    cdef Region region
    cdef char *data
    cdef uint64_t capacity, mask
    cdef uint64_t index          # ours; what the segment shows is only written by us
    cdef uint64_t cached         # the peer's, as last seen and checked
    cdef aether_side *side
    cdef aether_side *peer_side
    cdef aether_role *role
    cdef aether_role *peer_role
    cdef int own_lock, peer_lock
    cdef int fd
    cdef bint checksum
    cdef bint asymmetric         # SYNC POINT W by membarrier: see wait.h
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

    cdef int claim(self, Region region, bint is_producer) except -1
    cdef int check_usable(self) except -1
    cdef int wait_for(self, uint64_t seen, uint64_t deadline_ns) except -1
    cdef int raise_if_gone(self) except -1
    cdef object hand_out(self, char *data, Py_ssize_t size_bytes)
    cdef int take_back(self) except -1


cdef class Producer(Side):
    cdef uint64_t reserved       # bytes of the reserved frame; 0 when none is

    cdef int room(self, uint64_t need, uint64_t deadline_ns, bint block) except -1
    cdef inline void fill(self, uint64_t at, const void *payload, size_t size_bytes) noexcept
    cdef uint64_t frame_bytes(self, size_t size_bytes) except 0
    cdef int put(self, object payload, uint64_t deadline_ns, bint block) except -1


cdef class Consumer(Side):
    cdef uint64_t peeked         # bytes of the frame that peek handed out; 0 when none is
    cdef object postponed        # an error that read_many met behind messages it handed over

    cdef int available(self, uint64_t deadline_ns, bint block) except -1
    cdef uint64_t frame_at(self, uint64_t at, uint32_t *length) noexcept
    cdef int damaged(self, uint64_t at, str reason) except -1
    cdef object take(self)
