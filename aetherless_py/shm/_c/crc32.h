/* CRC-32 as zlib computes it, with the widest carry-less multiply the machine has. */
#ifndef AETHERLESS_CRC32_H
#define AETHERLESS_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Same meaning and values as zlib's crc32(): start with 0, chain with the last value. */
uint32_t aether_crc32(uint32_t crc, const void *data, size_t length);

/* Tables of the portable way: the CRC of byte b with s zero bytes behind it is [s][b]. */
extern uint32_t aether_crc32_slices[8][256];

/* aether_crc32(0, &value, 4) on a little-endian machine: four loads that wait for nobody, where
 * the wide ways are a chain of multiplications. */
static inline uint32_t aether_crc32_u32(uint32_t value) {
    uint32_t crc = ~value;
    return ~(aether_crc32_slices[3][crc & 255] ^ aether_crc32_slices[2][crc >> 8 & 255] ^
             aether_crc32_slices[1][crc >> 16 & 255] ^ aether_crc32_slices[0][crc >> 24]);
}

/* memcpy and the CRC of the bytes in one pass. The value is that of the bytes written to `dst`
 * even when somebody changes `src` meanwhile. The two must not overlap. */
uint32_t aether_crc32_copy(uint32_t crc, void *dst, const void *src, size_t length);

/* "x86-vpclmulqdq-avx512", "x86-vpclmulqdq-avx2", "x86-pclmulqdq", "arm-pmull", "arm-crc32" or
 * "portable". */
const char *aether_crc32_implementation(void);

/* For tests: 0, or -1 when this machine lacks it. Not to be called while others compute. */
int aether_crc32_force(const char *implementation);

#endif
