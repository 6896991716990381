"""The C side of the ring, declared in one place."""

from libc.stdint cimport uint32_t, uint64_t


cdef extern from "layout.h" nogil:
    const uint64_t AETHER_MAGIC
    const uint32_t AETHER_VERSION
    const uint32_t AETHER_FLAG_CHECKSUM
    const size_t AETHER_CONTROL_BYTES
    const size_t AETHER_DATA_OFFSET
    const size_t AETHER_FRAME_ALIGN
    const size_t AETHER_FRAME_HEADER
    const uint64_t AETHER_MIN_CAPACITY
    const uint64_t AETHER_MAX_CAPACITY
    const int AETHER_LOCK_USERS
    const int AETHER_LOCK_PRODUCER
    const int AETHER_LOCK_CONSUMER
    const int AETHER_LOCK_COUNT

    ctypedef struct aether_header:
        uint64_t magic
        uint32_t version
        uint32_t flags
        uint64_t capacity
        uint64_t data_offset
        uint32_t key
        uint32_t unused

    ctypedef struct aether_side:
        pass

    ctypedef struct aether_role:
        pass

    ctypedef struct aether_control:
        aether_header header
        aether_side head
        aether_side tail
        aether_role producer
        aether_role consumer

    ctypedef struct aether_frame:
        uint32_t position
        uint32_t tag
        uint32_t crc
        uint32_t length


cdef extern from "wait.h" nogil:
    ctypedef enum aether_wait_result:
        AETHER_READY
        AETHER_TIMED_OUT
        AETHER_PEER_CLOSED
        AETHER_PEER_DIED
        AETHER_CHECK

    ctypedef struct aether_wait:
        aether_role *role
        aether_side *peer_side
        aether_role *peer_role
        uint32_t past
        uint32_t expected
        int fd
        int peer_lock
        const volatile int *closing
        uint64_t deadline_ns
        uint64_t started_ns
        uint64_t spin_ns
        uint64_t busy_ns

    const uint64_t AETHER_SPIN_NS
    const uint64_t AETHER_BUSY_NS
    const uint64_t AETHER_YIELD_NS
    const uint64_t AETHER_FOR_EVER
    uint64_t aether_now_ns()
    uint64_t aether_coarse_ns()
    void aether_wake(aether_role *sleeper)
    void aether_publish(
        aether_side *mine, uint64_t index, aether_role *peer, bint asymmetric, int bell)
    bint aether_bell_arm(aether_role *role, aether_side *peer_side, uint64_t seen)
    void aether_awake(aether_role *role)
    bint aether_fence_register()
    uint64_t aether_peer_index(aether_side *peer)
    uint64_t aether_own_index(aether_side *mine)
    void aether_hand_out(aether_side *mine, uint64_t end)
    uint64_t aether_handed_out(aether_side *mine)
    uint32_t aether_role_state(aether_role *role)
    bint aether_is_open(uint32_t state)
    bint aether_is_closed(uint32_t state)
    void aether_role_enter(aether_role *role)
    void aether_role_leave(aether_role *role)
    int aether_lock_is_held(int fd, int role)
    int aether_lock_take(int fd, int type, int first, int count)
    void aether_lock_give(int fd, int first, int count)
    void aether_close(int *fd)
    int aether_spin_brief(aether_side *peer, uint64_t seen)
    aether_wait_result aether_peer_gone(
        aether_role *peer, uint32_t past, uint32_t expected, int fd, int peer_lock)
    aether_wait_result aether_wait_peer(aether_wait *w, uint64_t seen)


cdef extern from "crc32.h" nogil:
    uint32_t aether_crc32(uint32_t crc, const void *data, size_t length)
    uint32_t aether_crc32_u32(uint32_t value)
    uint32_t aether_crc32_copy(uint32_t crc, void *dst, const void *src, size_t length)
    const char *aether_crc32_implementation()
    int aether_crc32_force(const char *implementation)
