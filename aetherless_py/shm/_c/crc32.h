/* CRC-32 as zlib computes it, with the widest carry-less multiply the machine has. */
#ifndef AETHERLESS_CRC32_H
#define AETHERLESS_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Same meaning and values as zlib's crc32(): start with 0, chain with the last value. */
uint32_t aether_crc32(uint32_t crc, const void *data, size_t length);

/* memcpy and the CRC of the bytes in one pass. The value is that of the bytes written to `dst`
 * even when somebody changes `src` meanwhile. The two must not overlap. */
uint32_t aether_crc32_copy(uint32_t crc, void *dst, const void *src, size_t length);

/* "x86-vpclmulqdq-avx512", "x86-pclmulqdq", "arm-crc32" or "portable". */
const char *aether_crc32_implementation(void);

/* For tests: 0, or -1 when this machine lacks it. Not to be called while others compute. */
int aether_crc32_force(const char *implementation);

#endif
