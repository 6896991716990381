/* Waiting for the other side: spin, then yield, then sleep on a futex in the segment.
 *
 * A side that sleeps announces it in its own `waiting`; the peer looks there after it published.
 * Announce-then-look on one side and publish-then-look on the other need a full barrier between
 * store and load on both, else both can miss each other: SYNC POINT W.
 *
 * The publisher would pay for its barrier with every message. So where the kernel offers it, the
 * sleeper, who is slow anyway, pays for both: membarrier(2) makes every running thread of the
 * registered processes pass a full barrier at that moment, and a thread that does not run has
 * passed one when it was switched out. A publisher whose registration failed keeps its own barrier.
 * Should the sleeper's call fail all the same, the wake-up that it may miss costs no more than one
 * slice of sleep.
 *
 * A side that waits for many things at once, in an event loop, sleeps in poll(2), where no futex
 * wakes it. It announces itself with AETHER_BELL, once for one wake-up, and the publisher sends a
 * byte on the socket that the two have beside the ring.
 */
#ifndef AETHERLESS_WAIT_H
#define AETHERLESS_WAIT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "layout.h"

/* Values of `waiting`. */
#define AETHER_AWAKE 0u
#define AETHER_FUTEX 1u
#define AETHER_BELL 2u

static inline void aether_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` is a no-op on most cores */
#endif
}

static inline uint64_t aether_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The time of the last timer tick, 1 to 10 ms old: a tenth of the price. */
static inline uint64_t aether_coarse_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void aether_wake(aether_role *sleeper) {
    atomic_fetch_add_explicit(&sleeper->wake_seq, 1, memory_order_release);
    syscall(SYS_futex, &sleeper->wake_seq, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Have barriers forced upon this process by sleeping peers. False where the kernel cannot. */
static inline int aether_fence_register(void) {
    return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

/* Publish our index, then wake the peer if it sleeps. Release pairs with the acquire in
 * `aether_peer_index`. SYNC POINT W: partners are `aether_wait_peer` and `aether_bell_arm`.
 * `bell` is the socket for a peer that sleeps elsewhere, -1 for none. */
static inline void aether_publish(aether_side *mine, uint64_t index, aether_role *peer,
                                  int asymmetric, int bell) {
    atomic_store_explicit(&mine->index, index, memory_order_release);
    if (asymmetric)
        atomic_signal_fence(memory_order_seq_cst); /* the compiler's order; the rest is forced */
    else
        atomic_thread_fence(memory_order_seq_cst);
    uint32_t waiting = atomic_load_explicit(&peer->waiting, memory_order_relaxed);
    if (__builtin_expect(waiting != AETHER_AWAKE, 0)) {
        if (waiting == AETHER_FUTEX)
            aether_wake(peer);
        else if (atomic_compare_exchange_strong_explicit(&peer->waiting, &waiting, AETHER_AWAKE,
                                                         memory_order_relaxed,
                                                         memory_order_relaxed))
            /* A full socket holds bytes that wake it as well; a closed one nobody waits on. */
            send(bell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static inline uint64_t aether_peer_index(aether_side *peer) {
    return atomic_load_explicit(&peer->index, memory_order_acquire); /* pairs: aether_publish */
}

static inline uint64_t aether_own_index(aether_side *mine) {
    return atomic_load_explicit(&mine->index, memory_order_relaxed); /* only we write it */
}

/* Before a handler acts: a successor of ours shall see it. Release pairs with the acquire in
 * `aether_handed_out`; what a killed process stored before it acted is there for the next one. */
static inline void aether_hand_out(aether_side *mine, uint64_t end) {
    atomic_store_explicit(&mine->handed_out, end, memory_order_release);
}

static inline uint64_t aether_handed_out(aether_side *mine) {
    return atomic_load_explicit(&mine->handed_out, memory_order_acquire); /* pairs: aether_hand_out */
}

static inline uint32_t aether_role_state(aether_role *role) {
    return atomic_load_explicit(&role->state, memory_order_acquire);
}

static inline int aether_is_open(uint32_t state) { return state & 1; }
static inline int aether_is_closed(uint32_t state) { return state != 0 && !(state & 1); }

static inline void aether_role_enter(aether_role *role) {
    /* A dead holder's may be another. */
    atomic_store_explicit(&role->waiting, AETHER_AWAKE, memory_order_relaxed);
    uint32_t state = atomic_load_explicit(&role->state, memory_order_relaxed);
    atomic_store_explicit(&role->state, (state + 1) | 1, memory_order_release);
}

static inline void aether_role_leave(aether_role *role) {
    uint32_t state = atomic_load_explicit(&role->state, memory_order_relaxed);
    atomic_store_explicit(&role->state, state + 1, memory_order_release);
}

/* Is the role's byte of the file locked by somebody, i.e. does its holder live? fd must be of
 * another open file description than the holder's. 1 locked, 0 free, -1 error. */
static inline int aether_lock_is_held(int fd, int role) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = role, .l_len = 1};
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -1;
    return lock.l_type != F_UNLCK;
}

/* Take a lock, F_WRLCK or F_RDLCK, without waiting. 0 taken, 1 held by others, -1 error. */
static inline int aether_lock_take(int fd, int type, int first, int count) {
    struct flock lock = {
        .l_type = (short)type, .l_whence = SEEK_SET, .l_start = first, .l_len = count};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 0;
    return (errno == EAGAIN || errno == EACCES) ? 1 : -1;
}

/* Give locks up at once. Closing the descriptor would not do: a process that is being started may
 * still hold a copy of it. */
static inline void aether_lock_give(int fd, int first, int count) {
    struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = count};
    fcntl(fd, F_OFD_SETLK, &lock);
}

static inline void aether_close(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

typedef enum {
    AETHER_READY = 0,       /* the peer moved: look again */
    AETHER_TIMED_OUT = 1,
    AETHER_PEER_CLOSED = 2,
    AETHER_PEER_DIED = 3,
    AETHER_CHECK = 4 /* slept: look for the peer, for signals, for a close, and come again */
} aether_wait_result;

/* How the phases are cut. Spinning shorter than a context switch (about 5 us to sleep and wake)
 * would give its time away; much longer burns a CPU that the peer may need. */
#define AETHER_SPIN_BRIEF 64          /* looks while the caller still holds its interpreter lock */
#define AETHER_SPIN_NS UINT64_C(20000)
#define AETHER_BUSY_NS UINT64_C(60000)
#define AETHER_YIELD_NS UINT64_C(500000) /* for one who has to share its processor */
#define AETHER_FOR_EVER UINT64_MAX
#define AETHER_SLEEP_NS 40000000L     /* bounds the time in which a dead peer goes unnoticed */
#define AETHER_LOOK_NS UINT64_C(20000000) /* the same for one who never sleeps */

/* A short look-out before the caller spends the price of releasing its interpreter lock. */
static inline int aether_spin_brief(aether_side *peer, uint64_t seen) {
    for (int i = 0; i < AETHER_SPIN_BRIEF; i++) {
        if (aether_peer_index(peer) != seen) return 1;
        aether_relax();
    }
    return 0;
}

/* Has the peer closed or died? AETHER_READY when it has done neither. `past` is the state of a
 * holder whose end is known already, so that its successor is waited for; 0 when there was none.
 * `expected` is the open state of the holder that is waited for, which may be yet to come, but whose
 * successor will not do; 0 for anybody. */
static inline aether_wait_result aether_peer_gone(aether_role *peer, uint32_t past,
                                                  uint32_t expected, int fd, int peer_lock) {
    uint32_t state = aether_role_state(peer);
    if (state == past) return AETHER_READY;
    if (aether_is_closed(state)) return AETHER_PEER_CLOSED;
    if (expected && (int32_t)(state - expected) > 0) return AETHER_PEER_DIED; /* replaced */
    if (aether_is_open(state) && aether_lock_is_held(fd, peer_lock) == 0) {
        /* A clean close sets the state before it gives up the lock, and a new holder takes the
         * lock before it sets the state: look once more. */
        state = aether_role_state(peer);
        if (aether_is_closed(state)) return AETHER_PEER_CLOSED;
        if (aether_lock_is_held(fd, peer_lock) == 0) return AETHER_PEER_DIED;
    }
    return AETHER_READY;
}

typedef struct {
    aether_role *role;      /* this side's */
    aether_side *peer_side; /* the index that it waits for */
    aether_role *peer_role;
    uint32_t past, expected; /* see aether_peer_gone */
    int fd, peer_lock;
    const volatile int *closing; /* set by another thread of this process to end the wait */
    uint64_t deadline_ns;        /* on CLOCK_MONOTONIC; UINT64_MAX for none */
    uint64_t started_ns;
    uint64_t spin_ns; /* how long to spin before yielding */
    uint64_t busy_ns; /* how long to spin and yield before sleeping */
} aether_wait;

/* Say that this side is about to sleep; after that, and before it sleeps, it looks once more. */
static inline void aether_announce(aether_role *role, uint32_t how) {
    atomic_store_explicit(&role->waiting, how, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst); /* SYNC POINT W: partner is `aether_publish` */
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

static inline void aether_awake(aether_role *role) {
    atomic_store_explicit(&role->waiting, AETHER_AWAKE, memory_order_relaxed);
}

/* One stretch of waiting for the peer's index to differ from `seen`, without the interpreter lock.
 * Spins and yields from started_ns on, at most AETHER_LOOK_NS a call; afterwards sleeps at most
 * AETHER_SLEEP_NS a call. */
static inline aether_wait_result aether_wait_peer(aether_wait *w, uint64_t seen) {
    uint64_t now = aether_now_ns();
    const uint64_t look_at = now + AETHER_LOOK_NS;
    while (now - w->started_ns < w->busy_ns) {
        for (int i = 0; i < 16; i++) {
            if (aether_peer_index(w->peer_side) != seen) return AETHER_READY;
            aether_relax();
        }
        if (now >= w->deadline_ns) return AETHER_TIMED_OUT;
        if (*w->closing) return AETHER_CHECK;
        if (now - w->started_ns > w->spin_ns) sched_yield();
        now = aether_now_ns();
        if (now > look_at) {
            aether_wait_result gone =
                aether_peer_gone(w->peer_role, w->past, w->expected, w->fd, w->peer_lock);
            if (aether_peer_index(w->peer_side) != seen) return AETHER_READY;
            return gone == AETHER_READY ? AETHER_CHECK : gone;
        }
    }
    /* The index after the clock: this thread may have got its turn too late, the peer in time. */
    if (now >= w->deadline_ns)
        return aether_peer_index(w->peer_side) != seen ? AETHER_READY : AETHER_TIMED_OUT;

    uint32_t seq = atomic_load_explicit(&w->role->wake_seq, memory_order_acquire);
    aether_announce(w->role, AETHER_FUTEX);
    aether_wait_result result = AETHER_READY;
    if (aether_peer_index(w->peer_side) == seen) {
        result = aether_peer_gone(w->peer_role, w->past, w->expected, w->fd, w->peer_lock);
        /* Its last act before it went may have been to publish. */
        if (result != AETHER_READY && aether_peer_index(w->peer_side) != seen)
            result = AETHER_READY;
        else if (result == AETHER_READY && !*w->closing) {
            uint64_t left = w->deadline_ns - now;
            struct timespec slice = {0, AETHER_SLEEP_NS};
            if (left < (uint64_t)AETHER_SLEEP_NS) slice.tv_nsec = (long)left;
            syscall(SYS_futex, &w->role->wake_seq, FUTEX_WAIT, seq, &slice, NULL, 0);
            /* Woken: to come again would announce a sleep anew, with its barrier for everybody. */
            if (aether_peer_index(w->peer_side) == seen) result = AETHER_CHECK;
        }
    }
    if (!*w->closing) /* else the role may be a successor's already */
        aether_awake(w->role);
    return result;
}

/* Ask for a byte on the socket with the peer's next message. False when there is one already. */
static inline int aether_bell_arm(aether_role *role, aether_side *peer_side, uint64_t seen) {
    aether_announce(role, AETHER_BELL);
    if (aether_peer_index(peer_side) == seen) return 1;
    aether_awake(role);
    return 0;
}

#endif
