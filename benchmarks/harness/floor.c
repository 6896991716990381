/* What this machine can do at best between two processes, as a program of its own: no Python, no
 * checks, no waiting but spinning, messages of one size known to both sides.
 *
 *   floor bounce|pingpong|oneway|same|copy SIZE_BYTES COUNT CPU_A CPU_B
 *
 * Prints one number a line, in ns: for bounce and pingpong each round trip, for oneway, same and
 * copy the mean time a message of each of 20, 200 and 200 equal parts.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define LARGEST_BYTES (UINT64_C(1) << 24)
#define PARTS 20
#define PARTS_OF_ONE 200 /* of what one process does: short, so that few of them are interrupted */

typedef struct {
    _Alignas(128) _Atomic uint64_t head;
    _Alignas(128) _Atomic uint64_t tail;
    _Alignas(128) unsigned char slots[];
} ring;

typedef struct { /* one side's private view */
    ring *shared;
    uint64_t next, seen, mask, stride;
} side;

static uint64_t ring_bytes = UINT64_C(1) << 20; /* and room for four messages at least */

#define INLINE static inline __attribute__((always_inline))

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) fail("pin");
}

static void *shared_memory(size_t bytes) {
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE,
                   -1, 0);
    if (p == MAP_FAILED) fail("mmap");
    memset(p, 0, bytes); /* no page fault stands in a sample */
    return p;
}

/* A message in private memory that begins with a cache line, as competent callers have it. */
static unsigned char *message_of(size_t size, int fill) {
    unsigned char *p = aligned_alloc(64, (size + 63) & ~(size_t)63);
    if (!p) fail("aligned_alloc");
    return memset(p, fill, size);
}

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static side open_side(ring *shared, size_t size) {
    side s = {.shared = shared, .stride = (8 + size + 63) & ~UINT64_C(63)};
    uint64_t slots = 1;
    while (slots * 2 * s.stride <= ring_bytes) slots *= 2;
    s.mask = slots - 1;
    return s;
}

/* `polite` spins with a pause, which helps the round trip and harms the stream. */
INLINE void put(side *s, const void *message, size_t size, int polite) {
    while (s->next - s->seen > s->mask) {
        s->seen = atomic_load_explicit(&s->shared->tail, memory_order_acquire);
        if (polite && s->next - s->seen > s->mask) relax();
    }
    unsigned char *at = s->shared->slots + (s->next & s->mask) * s->stride;
    *(uint64_t *)at = size;
    memcpy(at + 8, message, size);
    atomic_store_explicit(&s->shared->head, ++s->next, memory_order_release);
}

INLINE void get(side *s, void *message, int polite) {
    while (s->next == s->seen) {
        s->seen = atomic_load_explicit(&s->shared->head, memory_order_acquire);
        if (polite && s->next == s->seen) relax();
    }
    unsigned char *at = s->shared->slots + (s->next & s->mask) * s->stride;
    memcpy(message, at + 8, *(uint64_t *)at);
    atomic_store_explicit(&s->shared->tail, ++s->next, memory_order_release);
}

static pid_t start_child(void) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void end_child(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) < 0 || status != 0) fail("the other process");
}

static void print_all(const uint64_t *samples, long count) {
    for (long i = 0; i < count; i++) printf("%llu\n", (unsigned long long)samples[i]);
}

static void bounce(long count, int cpu_a, int cpu_b) {
    _Atomic uint64_t *line = shared_memory(4096);
    long warmup = count / 10, total = warmup + count;
    uint64_t *samples = malloc((size_t)count * sizeof *samples);
    pid_t pid = start_child();
    if (pid == 0) {
        pin(cpu_b);
        for (long i = 0; i < total; i++) {
            while (atomic_load_explicit(line, memory_order_acquire) != (uint64_t)(2 * i + 1)) relax();
            atomic_store_explicit(line, (uint64_t)(2 * i + 2), memory_order_release);
        }
        _exit(0);
    }
    pin(cpu_a);
    for (long i = 0; i < total; i++) {
        uint64_t began = now_ns();
        atomic_store_explicit(line, (uint64_t)(2 * i + 1), memory_order_release);
        while (atomic_load_explicit(line, memory_order_acquire) != (uint64_t)(2 * i + 2)) relax();
        if (i >= warmup) samples[i - warmup] = now_ns() - began;
    }
    end_child(pid);
    print_all(samples, count);
}

static void pingpong(size_t size, long count, int cpu_a, int cpu_b) {
    ring *there = shared_memory(sizeof(ring) + ring_bytes + 2 * size + 128);
    ring *back = shared_memory(sizeof(ring) + ring_bytes + 2 * size + 128);
    long warmup = count / 10, total = warmup + count;
    uint64_t *samples = malloc((size_t)count * sizeof *samples);
    unsigned char *message = message_of(size, 0xAB), *answer = message_of(size, 0);
    pid_t pid = start_child();
    if (pid == 0) {
        pin(cpu_b);
        side in = open_side(there, size), out = open_side(back, size);
        for (long i = 0; i < total; i++) {
            get(&in, answer, 1);
            put(&out, answer, size, 1);
        }
        _exit(0);
    }
    pin(cpu_a);
    side out = open_side(there, size), in = open_side(back, size);
    for (long i = 0; i < total; i++) {
        uint64_t began = now_ns();
        put(&out, message, size, 1);
        get(&in, answer, 1);
        if (i >= warmup) samples[i - warmup] = now_ns() - began;
        else if (memcmp(message, answer, size)) fail("the answer is not the message");
    }
    end_child(pid);
    print_all(samples, count);
}

static void oneway(size_t size, long count, int cpu_a, int cpu_b) {
    ring *shared = shared_memory(sizeof(ring) + ring_bytes + 2 * size + 128);
    _Atomic uint64_t *done = shared_memory(4096);
    long part = count / PARTS;
    unsigned char *message = message_of(size, 0xAB), *copy = message_of(size, 0);
    pid_t pid = start_child();
    if (pid == 0) {
        pin(cpu_b);
        side in = open_side(shared, size);
        for (long p = 0; p <= PARTS; p++) {
            for (long i = 0; i < part; i++) get(&in, copy, 0);
            atomic_store_explicit(done, (uint64_t)p + 1, memory_order_release);
        }
        _exit(memcmp(message, copy, size) != 0);
    }
    pin(cpu_a);
    side out = open_side(shared, size);
    for (long p = 0; p <= PARTS; p++) {
        uint64_t began = now_ns();
        for (long i = 0; i < part; i++) put(&out, message, size, 0);
        while (atomic_load_explicit(done, memory_order_acquire) != (uint64_t)p + 1) relax();
        if (p > 0) printf("%.3f\n", (double)(now_ns() - began) / (double)part); /* 0 warms up */
    }
    end_child(pid);
}

static void same(size_t size, long count, int cpu) {
    ring *shared = shared_memory(sizeof(ring) + ring_bytes + 2 * size + 128);
    unsigned char *message = message_of(size, 0xAB), *copy = message_of(size, 0);
    pin(cpu);
    side out = open_side(shared, size), in = open_side(shared, size);
    long part = count / PARTS_OF_ONE;
    for (long p = 0; p <= PARTS_OF_ONE; p++) {
        uint64_t began = now_ns();
        for (long i = 0; i < part; i++) {
            put(&out, message, size, 0);
            get(&in, copy, 0);
            __asm__ volatile("" ::: "memory");
        }
        if (p > 0) printf("%.3f\n", (double)(now_ns() - began) / (double)part);
    }
}

static void copy(size_t size, long count, int cpu) {
    /* Into ever new places of a buffer as large as a ring, as messages are. */
    unsigned char *message = message_of(size, 0xAB), *ring = shared_memory(ring_bytes + size);
    pin(cpu);
    long part = count / PARTS_OF_ONE;
    uint64_t at = 0;
    for (long p = 0; p <= PARTS_OF_ONE; p++) {
        uint64_t began = now_ns();
        for (long i = 0; i < part; i++) {
            memcpy(ring + at, message, size);
            __asm__ volatile("" ::: "memory");
            at += (size + 63) & ~UINT64_C(63);
            if (at > ring_bytes) at = 0;
        }
        if (p > 0) printf("%.3f\n", (double)(now_ns() - began) / (double)part);
    }
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: floor bounce|pingpong|oneway|same|copy SIZE COUNT CPU_A CPU_B\n");
        return 2;
    }
    size_t size = strtoul(argv[2], NULL, 10);
    long count = strtol(argv[3], NULL, 10);
    int cpu_a = atoi(argv[4]), cpu_b = atoi(argv[5]);
    int parts = 1;
    if (!strcmp(argv[1], "oneway")) parts = PARTS;
    if (!strcmp(argv[1], "same") || !strcmp(argv[1], "copy")) parts = PARTS_OF_ONE;
    if (size < 1 || size > LARGEST_BYTES || count < parts) {
        fprintf(stderr, "floor: SIZE must be 1 to %llu, COUNT at least %d\n",
                (unsigned long long)LARGEST_BYTES, parts);
        return 2;
    }
    while (ring_bytes < 4 * size) ring_bytes *= 2;
    pin(cpu_b); /* fail here, not in a child for which the parent would wait */
    pin(cpu_a);
    if (!strcmp(argv[1], "bounce")) bounce(count, cpu_a, cpu_b);
    else if (!strcmp(argv[1], "pingpong")) pingpong(size, count, cpu_a, cpu_b);
    else if (!strcmp(argv[1], "oneway")) oneway(size, count, cpu_a, cpu_b);
    else if (!strcmp(argv[1], "same")) same(size, count, cpu_a);
    else if (!strcmp(argv[1], "copy")) copy(size, count, cpu_a);
    else return 2;
    return 0;
}
