from libc.stdint cimport uint32_t, uint64_t

from aetherless_py.shm.native cimport aether_control


cdef class Region:
    cdef aether_control *control
    cdef char *data
    cdef size_t mapped_bytes
    cdef readonly uint64_t capacity_bytes
    cdef readonly bint checksum
    cdef readonly str name
    cdef readonly int fd
    cdef uint32_t key            # random; what a payload's author cannot know of the layout
    cdef readonly tuple identity  # (device, inode): the segment, whatever happens to its name
    cdef object __weakref__

    cdef int map(self, bint populate) except -1
    cdef int reopen(self) except -1
    cdef void let_go(self) noexcept nogil
