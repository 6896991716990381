/* What lies where in a ring's segment. Offsets only; no behaviour.
 *
 *   0        128        256        384             512             640 // 65536   65536 + capacity
 *   +--------+----------+----------+---------------+---------------+---//--+----------+
 *   | header | head     | tail     | producer role | consumer role | hole  | data     |
 *   +--------+----------+----------+---------------+---------------+---//--+----------+
 *    never    producer   consumer   change only when a side comes,           mapped twice, one
 *    changes  writes     writes     sleeps or goes                           behind the other
 *
 * Each part has a pair of 64-byte cache lines to itself: x86 prefetches lines in pairs, so that 64
 * bytes apart would still be false sharing. The role parts are read after every operation (does
 * the peer sleep?) and hardly ever written, so both sides keep them in their caches.
 *
 * The data begins at 64 KiB, a multiple of every page size in use (the hole takes no memory), and
 * is mapped twice in a row, so that a frame that crosses the end is contiguous all the same.
 *
 * head and tail count bytes since the ring was made and never wrap (2^64 bytes take centuries):
 * head - tail is the fill level, `index & (capacity - 1)` the place in the data.
 *
 * A frame begins at a multiple of 64 bytes, so that no line holds parts of two frames:
 *
 *    0               4               8               12              16
 *   +---------------+---------------+---------------+---------------+--------- // ---+-----+
 *   | position (u32)| tag (u32)     | crc32 (u32)   | length (u32)  | payload        | pad |
 *   +---------------+---------------+---------------+---------------+--------- // ---+-----+
 *
 * position is the value of head at which the frame begins, in units of 64 bytes, XOR the ring's
 * random key: it tells a header from the payload of an older lap, and from one whose author imitates
 * a frame, and leads the consumer to the next frame when a length was damaged. tag is what a channel
 * knows its answers by, 0 elsewhere. crc32 is that of zlib over length and payload, with tag added
 * (XOR) to the value between the two, so that a damaged tag is a damaged message; 0 in a ring
 * without checksum.
 */
#ifndef AETHERLESS_LAYOUT_H
#define AETHERLESS_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define AETHER_MAGIC UINT64_C(0x474e495248544541) /* "AETHRING", little endian */
#define AETHER_VERSION 4u
#define AETHER_FLAG_CHECKSUM 1u
#define AETHER_CONTROL_BYTES 4096u
#define AETHER_DATA_OFFSET 65536u
#define AETHER_LINE_PAIR 128u
#define AETHER_FRAME_ALIGN 64u
#define AETHER_FRAME_HEADER 16u
#define AETHER_MIN_CAPACITY (UINT64_C(1) << 12) /* and no less than a page */
#define AETHER_MAX_CAPACITY (UINT64_C(1) << 31) /* lengths are u32 */

/* Bytes of the file that are locked (F_OFD_SETLK): the kernel frees them when a process dies. */
#define AETHER_LOCK_USERS 0    /* shared: everybody who has the segment open */
#define AETHER_LOCK_PRODUCER 1 /* exclusive */
#define AETHER_LOCK_CONSUMER 2 /* exclusive */
#define AETHER_LOCK_COUNT 3

typedef struct {
    uint64_t magic;
    uint32_t version;
    uint32_t flags;
    uint64_t capacity;
    uint64_t data_offset;
    uint32_t key; /* random; see position */
    uint32_t unused;
} aether_header;

/* One side's index, written by that side alone. */
typedef struct {
    _Atomic uint64_t index;
    _Atomic uint64_t handed_out; /* a channel's server only: where the last request ends that its
                                  * handler was given. Beyond index, the handler may be at it. */
} aether_side;

/* What the peer must know of a side beyond its index. */
typedef struct {
    _Atomic uint32_t state;    /* 0 never held; odd: open; even: closed. Each holder counts it up,
                                * so that it also tells one holder from the next. The kernel's lock
                                * on the role's byte says whether the holder lives. */
    _Atomic uint32_t waiting;  /* not 0 while this side sleeps or is about to: see wait.h */
    _Atomic uint32_t wake_seq; /* the futex: the peer counts it up before it wakes this side */
} aether_role;

typedef struct {
    _Alignas(AETHER_LINE_PAIR) aether_header header;
    _Alignas(AETHER_LINE_PAIR) aether_side head;
    _Alignas(AETHER_LINE_PAIR) aether_side tail;
    _Alignas(AETHER_LINE_PAIR) aether_role producer;
    _Alignas(AETHER_LINE_PAIR) aether_role consumer;
} aether_control;

typedef struct {
    uint32_t position;
    uint32_t tag;
    uint32_t crc;
    uint32_t length;
} aether_frame;

_Static_assert(sizeof(aether_frame) == AETHER_FRAME_HEADER, "frame header");
_Static_assert(offsetof(aether_frame, length) + 4 == AETHER_FRAME_HEADER, "length meets payload");
_Static_assert(offsetof(aether_control, head) == 128, "head on its own line pair");
_Static_assert(offsetof(aether_control, tail) == 256, "tail on its own line pair");
_Static_assert(offsetof(aether_control, producer) == 384, "roles on their own line pairs");
_Static_assert(sizeof(aether_control) <= 4096, "the control part is one page");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics must be lock free between processes");

#endif
