/* Time of the ring's CRC-32 from C, of each implementation that this machine can run: checking
 * alone, one call after another and each call waiting for the value of the one before it; copying
 * and checking in one pass; beside memcpy alone, and memcpy followed by a check.
 *
 * Each figure is the median of 101 rounds; in a round every way is measured right after the other,
 * so that what else the machine does falls on all of them. Source and target lie as the payloads
 * of a bytes object and of a frame do, 32 and 16 bytes behind a multiple of 64.
 *
 *   S=aetherless_py/shm/_c
 *   cc -O3 -std=gnu11 -D_GNU_SOURCE -I $S benchmarks/harness/crc32_speed.c $S/crc32.c \
 *       -o /tmp/crc32_speed && /tmp/crc32_speed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crc32.h"

enum { ROUNDS = 101, MOST = 8, LARGEST = 1 << 20 };
enum { CHECK, CHAINED, COPY, MEMCPY, MEMCPY_CHECK, WAYS };

static const char *const names[] = {"x86-vpclmulqdq-avx512", "x86-vpclmulqdq-avx2",
                                    "x86-pclmulqdq",         "arm-pmull",
                                    "arm-crc32",             "portable"};
static const size_t sizes[] = {8, 64, 72, 256, 1024, 4096, 65536, LARGEST};
static unsigned char *source, *target;
static volatile uint32_t sink;
static double samples_ns[MOST][WAYS][ROUNDS];

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void repeat(int way, size_t size, unsigned times) {
    uint32_t crc = 0;
    for (unsigned i = 0; i < times; i++) {
        if (way == CHAINED) crc = aether_crc32(crc, source, size);
        if (way == CHECK) crc ^= aether_crc32(0, source, size);
        if (way == COPY) crc ^= aether_crc32_copy(0, target, source, size);
        if (way == MEMCPY || way == MEMCPY_CHECK) memcpy(target, source, size);
        __asm__ volatile("" ::: "memory"); /* the copy is made although nobody looks at it */
        if (way == MEMCPY_CHECK) crc ^= aether_crc32(0, target, size);
    }
    sink = crc;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void) {
    source = aligned_alloc(64, LARGEST + 64);
    target = aligned_alloc(64, LARGEST + 64);
    if (!source || !target) return 1;
    source += 32;
    for (size_t i = 0; i < LARGEST; i++) source[i] = (unsigned char)(i * 2654435761u >> 24);
    memset(target, 0, LARGEST + 64);
    target += 16;
    printf("%9s %-22s %20s %20s %20s %20s %20s\n", "bytes", "ns (GB/s)", "check", "check, chained",
           "copy and check", "memcpy", "memcpy, check");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        unsigned times = (unsigned)(10000 / (4 + sizes[s] / 16) + 1);
        for (int round = 0; round < ROUNDS; round++)
            for (int way = 0; way < WAYS; way++)
                for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
                    if (aether_crc32_force(names[n]) != 0) continue;
                    repeat(way, sizes[s], 2);
                    double start = now_ns();
                    repeat(way, sizes[s], times);
                    samples_ns[n][way][round] = (now_ns() - start) / times;
                }
        for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
            if (aether_crc32_force(names[n]) != 0) continue;
            printf("%9zu %-22s", sizes[s], names[n]);
            for (int way = 0; way < WAYS; way++) {
                qsort(samples_ns[n][way], ROUNDS, sizeof(double), by_value);
                double median = samples_ns[n][way][ROUNDS / 2];
                printf(" %12.1f (%5.1f)", median, (double)sizes[s] / median);
            }
            printf("\n");
        }
    }
    return 0;
}
