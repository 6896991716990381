/* CRC-32 by carry-less multiplication, after V. Gopal et al., "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction", Intel white paper, 2009.
 *
 * G = x^32 + 0x04C11DB7. Bits are reflected: bit 0 of a register is its highest power of x. So
 * the product of two 64-bit halves A, B, seen as a 128-bit register, is A*B*x.
 *
 * k(n) := bitreverse32(x^n mod G) << 1. As a 64-bit half it is (x^n mod G) * x^31, thus
 *     clmul(A, k(n)) = A * (x^n mod G) * x^32, congruent to A * x^(n+32).             (1)
 *
 * Folding: a 128-bit lane (L, H) = L*x^64 + H that lies d bits ahead of another one is moved
 * there, modulo G, as clmul(L, k(d+32)) + clmul(H, k(d-32)).
 *
 * The end: a lane whose last byte is e bytes before the message's end adds
 * (L*x^64 + H) * x^(8e) * x^32 to the CRC. By (1) clmul(L, k(8e+96)) + clmul(H, k(8e+32)) is that
 * times x^32, with a degree below 127: what `reduce` wants. The paper shifts and folds lane by
 * lane instead; with a table of these pairs for each e all lanes go in one step, for each length
 * alike. G(0) = 1, so x has an inverse and e may be negative: a short message needs no shifting
 * to the right place, its zero padding is divided away. That makes tiny messages cheap.
 */
#include "crc32.h"

#include <string.h>

#define POLYNOMIAL 0xEDB88320u /* G without x^32, reflected */

typedef uint32_t (*crc_function)(uint32_t, const void *, size_t);
typedef uint32_t (*copy_function)(uint32_t, void *, const void *, size_t);
typedef struct {
    const char *name;
    int (*available)(void);
    crc_function crc;
    copy_function copy;
} implementation;

#define INLINE static inline __attribute__((always_inline))

/* Each kernel is one function with a constant `dst == NULL` or not, inlined into its two users.
 * `crc` is the inner value, without zlib's inversions before and after. */
#define DEFINE_USERS(name, attributes)                                                            \
    attributes static uint32_t name##_crc(uint32_t crc, const void *data, size_t length) {        \
        return ~name(~crc, NULL, data, length);                                                   \
    }                                                                                             \
    attributes static uint32_t name##_copy(uint32_t crc, void *dst, const void *src,              \
                                           size_t length) {                                       \
        if (!dst) __builtin_unreachable();                                                        \
        return ~name(~crc, dst, src, length);                                                     \
    }

/* ---- portable: slice-by-8 ---------------------------------------------------------------- */

uint32_t aether_crc32_slices[8][256];
#define slices aether_crc32_slices

static void build_slices(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t r = i;
        for (int bit = 0; bit < 8; bit++) r = (r >> 1) ^ (r & 1 ? POLYNOMIAL : 0);
        slices[0][i] = r;
    }
    for (int s = 1; s < 8; s++)
        for (int i = 0; i < 256; i++)
            slices[s][i] = (slices[s - 1][i] >> 8) ^ slices[0][slices[s - 1][i] & 255];
}

INLINE uint32_t portable(uint32_t crc, unsigned char *dst, const unsigned char *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) {
        unsigned char b[8]; /* read once: the copy must be what was checksummed */
        memcpy(b, p, 8);
        __asm__ volatile("" : "+m"(b));
        if (dst) memcpy(dst, b, 8), dst += 8;
        crc ^= b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        crc = slices[7][crc & 255] ^ slices[6][crc >> 8 & 255] ^ slices[5][crc >> 16 & 255] ^
              slices[4][crc >> 24] ^ slices[3][b[4]] ^ slices[2][b[5]] ^ slices[1][b[6]] ^
              slices[0][b[7]];
    }
    for (; n; n--) {
        unsigned char b = *(const volatile unsigned char *)p++;
        if (dst) *dst++ = b;
        crc = (crc >> 8) ^ slices[0][(crc ^ b) & 255];
    }
    return crc;
}

DEFINE_USERS(portable, )

static int portable_available(void) { return 1; }

/* ---- x86 --------------------------------------------------------------------------------- */
#if defined(__x86_64__)
#include <immintrin.h>

/* The pairs (k(8e+96), k(8e+32)) for e = -64..255. A row holds all e of one residue modulo 16,
 * falling, so that the pairs of neighbouring lanes are one load, of 32 or 64 bytes. */
#define END_FIRST (-64)
#define END_COLUMNS 20
static struct { uint64_t low, high; } ends[16][END_COLUMNS] __attribute__((aligned(64)));

#define END(e) (&ends[((e) - END_FIRST) & 15][END_COLUMNS - 1 - (((e) - END_FIRST) >> 4)])

static void build_ends(void) {
    enum { FIRST = 8 * END_FIRST + 32, COUNT = 8 * 16 * END_COLUMNS + 64 };
    uint64_t k[COUNT];
    uint32_t r = 0x80000000u; /* x^0 */
    for (int n = 0; n > FIRST; n--) /* divide by x, after adding G if x does not divide */
        r = r >> 31 ? (r ^ POLYNOMIAL) << 1 | 1 : r << 1;
    for (int i = 0; i < COUNT; i++) {
        k[i] = (uint64_t)r << 1;
        r = (r >> 1) ^ (r & 1 ? POLYNOMIAL : 0);
    }
    for (int e = END_FIRST; e < END_FIRST + 16 * END_COLUMNS; e++) {
        END(e)->low = k[8 * e + 96 - FIRST];
        END(e)->high = k[8 * e + 32 - FIRST];
    }
}

/* (k(d-32), k(d+32)) for d bits, in the order of _mm_set_epi64x. */
#define FOLD_512 0x1c6e41596, 0x154442bd4
#define FOLD_1024 0x14a7fe880, 0x1e88ef372
#define FOLD_1536 0x12e958ac4, 0x1821d8bc0
#define FOLD_2048 0x1322d1430, 0x11542778a

#define SSE __attribute__((target("sse4.1,pclmul")))
#define AVX2 __attribute__((target("avx2,vpclmulqdq,pclmul")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,vpclmulqdq,pclmul")))

/* Barrett, from s = v*x^32 with v below degree 96 to v mod G: q = floor(v / G) is the upper half
 * of (v's upper 64 coefficients) * floor(x^95 / G), then v + q*G has 32 coefficients left. */
#define REDUCE(s)                                                                                 \
    do {                                                                                          \
        const __m128i mu_g = _mm_set_epi64x(0x1db710641, (long long)0xb4e5b025f7011641);                      \
        __m128i q = _mm_clmulepi64_si128(s, mu_g, 0x00);                                          \
        return (uint32_t)_mm_extract_epi32(_mm_xor_si128(s, _mm_clmulepi64_si128(q, mu_g, 0x10)), \
                                           2);                                                    \
    } while (0)

SSE INLINE __m128i multiply(__m128i x, __m128i k) {
    return _mm_xor_si128(_mm_clmulepi64_si128(x, k, 0x00), _mm_clmulepi64_si128(x, k, 0x11));
}

/* Take 16 bytes, copying them on the way. The empty asm pins the value in a register, or the
 * compiler might read the source again for the checksum. */
SSE INLINE __m128i take(unsigned char *dst, const unsigned char *p, size_t at) {
    __m128i v = _mm_loadu_si128((const __m128i *)(p + at));
    if (dst) {
        __asm__ volatile("" : "+x"(v));
        _mm_storeu_si128((__m128i *)(dst + at), v);
    }
    return v;
}

/* The first n < 16 bytes, from registers only: a detour over the stack would have to wait until
 * its stores are done. Two loads overlap, and so do the two stores, of the same bytes. */
SSE INLINE __m128i take_short(unsigned char *dst, const unsigned char *p, size_t n) {
    uint64_t low, high = 0;
    if (n >= 8) {
        memcpy(&low, p, 8);
        memcpy(&high, p + n - 8, 8);
        __asm__ volatile("" : "+r"(low), "+r"(high));
        if (dst) { /* in this order, see take_last */
            memcpy(dst + n - 8, &high, 8);
            memcpy(dst, &low, 8);
        }
        high = high >> 1 >> (8 * (15 - n) + 7);
    } else if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        __asm__ volatile("" : "+r"(first), "+r"(last));
        if (dst) {
            memcpy(dst + n - 4, &last, 4);
            memcpy(dst, &first, 4);
        }
        low = first | (uint64_t)last >> (8 * (8 - n)) << 32;
    } else {
        low = 0;
        for (size_t i = 0; i < n; i++) {
            unsigned char b = ((const volatile unsigned char *)p)[i];
            if (dst) dst[i] = b;
            low |= (uint64_t)b << (8 * i);
        }
    }
    return _mm_set_epi64x((long long)high, (long long)low);
}

/* 32 bytes from `left` on: zeros, and `left` times 255 at the right end. */
#define ONES_8 255, 255, 255, 255, 255, 255, 255, 255
static const unsigned char right_end[64] = {[32] = ONES_8, ONES_8, ONES_8, ONES_8};

/* The last left < 16 bytes of n >= 16, at the right end of a vector. The copy writes the bytes
 * before them, too, which have not been checked: so this must come first, to have them
 * overwritten by those that are. */
SSE INLINE __m128i take_last(unsigned char *dst, const unsigned char *p, size_t n, size_t left) {
    return _mm_and_si128(take(dst, p, n - 16),
                         _mm_loadu_si128((const __m128i *)(right_end + 16 + left)));
}

/* The pairs for a lane that ends e bytes before the end, and for those that follow it. */
SSE INLINE const __m128i *ends_from(size_t e) { return (const __m128i *)END((int)e); }

SSE INLINE uint32_t pclmul(uint32_t crc, unsigned char *dst, const unsigned char *p, size_t n) {
    const __m128i start = _mm_cvtsi32_si128((int)crc);
    __m128i s = _mm_setzero_si128();
    if (n < 16) {
        if (!n) return crc;
        s = multiply(_mm_xor_si128(take_short(dst, p, n), start), *ends_from(n - 16));
        REDUCE(s);
    }
    size_t left = n & 15, at = 16;
    if (left) s = multiply(take_last(dst, p, n, left), *ends_from(0));
    __m128i x = _mm_xor_si128(take(dst, p, 0), start);
    const __m128i *k;
    if (n >= 128) { /* four chains hide the latency of the multiplier */
        const __m128i k512 = _mm_set_epi64x(FOLD_512);
        __m128i x1 = take(dst, p, 16), x2 = take(dst, p, 32), x3 = take(dst, p, 48);
        for (at = 64; n - at >= 64; at += 64) {
            x = _mm_xor_si128(multiply(x, k512), take(dst, p, at));
            x1 = _mm_xor_si128(multiply(x1, k512), take(dst, p, at + 16));
            x2 = _mm_xor_si128(multiply(x2, k512), take(dst, p, at + 32));
            x3 = _mm_xor_si128(multiply(x3, k512), take(dst, p, at + 48));
        }
        k = ends_from(n - at + 48);
        x1 = _mm_xor_si128(multiply(x1, k[1]), multiply(x2, k[2]));
        s = _mm_xor_si128(s, _mm_xor_si128(x1, multiply(x3, k[3])));
        s = _mm_xor_si128(s, multiply(x, *k));
        k += 4;
    } else {
        k = ends_from(n - 16);
        s = _mm_xor_si128(s, multiply(x, *k++));
    }
    for (; n - at >= 16; at += 16) s = _mm_xor_si128(s, multiply(take(dst, p, at), *k++));
    REDUCE(s);
}

DEFINE_USERS(pclmul, SSE)

static int pclmul_available(void) {
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

/* The same with two lanes to a vector. More than four chains gain nothing: the multiplier of
 * Zen 3 is busy without a pause (a new product each two cycles, of one lane or of two). The
 * compilers put a vzeroupper before each return that needs it. */
AVX2 INLINE __m256i pair_take(unsigned char *dst, const unsigned char *p, size_t at) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(p + at));
    if (dst) {
        __asm__ volatile("" : "+x"(v));
        _mm256_storeu_si256((__m256i *)(dst + at), v);
    }
    return v;
}

AVX2 INLINE __m256i pair_multiply(__m256i x, __m256i k) {
    return _mm256_xor_si256(_mm256_clmulepi64_epi128(x, k, 0x00),
                            _mm256_clmulepi64_epi128(x, k, 0x11));
}

/* e is that of the first lane. */
AVX2 INLINE const __m256i_u *pair_ends_from(size_t e) { return (const __m256i_u *)END((int)e); }

AVX2 INLINE uint32_t vpclmul256(uint32_t crc, unsigned char *dst, const unsigned char *p,
                                size_t n) {
    const __m128i start = _mm_cvtsi32_si128((int)crc);
    __m128i s;
    if (n < 32) {
        if (!n) return crc;
        if (n < 16) {
            s = multiply(_mm_xor_si128(take_short(dst, p, n), start), *ends_from(n - 16));
        } else {
            s = multiply(take_last(dst, p, n, n - 16), *ends_from(0));
            __m128i x = _mm_xor_si128(take(dst, p, 0), start);
            s = _mm_xor_si128(s, multiply(x, *ends_from(n - 16)));
        }
        REDUCE(s);
    }
    __m256i sum = _mm256_setzero_si256();
    size_t left = n & 31, at = 32;
    if (left) { /* first, see take_last */
        __m256i mask = _mm256_loadu_si256((const __m256i *)(right_end + left));
        sum = pair_multiply(_mm256_and_si256(pair_take(dst, p, n - 32), mask),
                            *pair_ends_from(16));
    }
    __m256i x = _mm256_xor_si256(pair_take(dst, p, 0), _mm256_zextsi128_si256(start));
    const __m256i_u *k;
    if (n >= 256) {
        const __m256i k1024 = _mm256_broadcastsi128_si256(_mm_set_epi64x(FOLD_1024));
        __m256i x1 = pair_take(dst, p, 32), x2 = pair_take(dst, p, 64);
        __m256i x3 = pair_take(dst, p, 96);
        for (at = 128; n - at >= 128; at += 128) {
            x = _mm256_xor_si256(pair_multiply(x, k1024), pair_take(dst, p, at));
            x1 = _mm256_xor_si256(pair_multiply(x1, k1024), pair_take(dst, p, at + 32));
            x2 = _mm256_xor_si256(pair_multiply(x2, k1024), pair_take(dst, p, at + 64));
            x3 = _mm256_xor_si256(pair_multiply(x3, k1024), pair_take(dst, p, at + 96));
        }
        k = pair_ends_from(n - at + 112);
        x1 = _mm256_xor_si256(pair_multiply(x1, k[1]), pair_multiply(x2, k[2]));
        sum = _mm256_xor_si256(sum, _mm256_xor_si256(x1, pair_multiply(x3, k[3])));
        sum = _mm256_xor_si256(sum, pair_multiply(x, *k));
        k += 4;
    } else {
        k = pair_ends_from(n - 16);
        sum = _mm256_xor_si256(sum, pair_multiply(x, *k++));
    }
    for (; n - at >= 32; at += 32)
        sum = _mm256_xor_si256(sum, pair_multiply(pair_take(dst, p, at), *k++));
    s = _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    REDUCE(s);
}

DEFINE_USERS(vpclmul256, AVX2)

/* These answers include whether the system saves the wide registers (XCR0). */
static int vpclmul256_available(void) {
    return pclmul_available() && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("vpclmulqdq");
}

AVX512 INLINE __m512i wide_take(unsigned char *dst, const unsigned char *p, size_t at) {
    __m512i v = _mm512_loadu_si512(p + at);
    if (dst) {
        __asm__ volatile("" : "+v"(v));
        _mm512_storeu_si512(dst + at, v);
    }
    return v;
}

AVX512 INLINE __m512i wide_take_some(unsigned char *dst, const unsigned char *p, size_t at,
                                     __mmask64 which) {
    __m512i v = _mm512_maskz_loadu_epi8(which, p + at);
    if (dst) {
        __asm__ volatile("" : "+v"(v));
        _mm512_mask_storeu_epi8(dst + at, which, v);
    }
    return v;
}

/* x moved by k, plus y */
AVX512 INLINE __m512i wide_fold(__m512i x, __m512i k, __m512i y) {
    return _mm512_ternarylogic_epi64(_mm512_clmulepi64_epi128(x, k, 0x00),
                                     _mm512_clmulepi64_epi128(x, k, 0x11), y, 0x96);
}

#define WIDE(pair) _mm512_broadcast_i32x4(_mm_set_epi64x(pair))

/* The pairs for four lanes of which the last one ends e bytes before the end. */
AVX512 INLINE __m512i wide_end(int e) { return _mm512_loadu_si512(END(e + 48)); }

AVX512 INLINE uint32_t vpclmul(uint32_t crc, unsigned char *dst, const unsigned char *p,
                               size_t n) {
    const __m512i start = _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)crc));
    const __m512i zero = _mm512_setzero_si512();
    __m512i sum;
    if (n < 64) {
        if (!n) return crc;
        __m512i x = wide_take_some(dst, p, 0, ~0ull >> (64 - n));
        sum = wide_fold(_mm512_xor_si512(x, start), wide_end((int)n - 64), zero);
    } else {
        __m512i x = _mm512_xor_si512(wide_take(dst, p, 0), start);
        size_t at = 64;
        const __m512i k512 = WIDE(FOLD_512);
        if (n >= 256) { /* four chains hide the latency of the multiplier */
            const __m512i k2048 = WIDE(FOLD_2048);
            __m512i x1 = wide_take(dst, p, 64), x2 = wide_take(dst, p, 128);
            __m512i x3 = wide_take(dst, p, 192);
            for (at = 256; n - at >= 256; at += 256) {
                x = wide_fold(x, k2048, wide_take(dst, p, at));
                x1 = wide_fold(x1, k2048, wide_take(dst, p, at + 64));
                x2 = wide_fold(x2, k2048, wide_take(dst, p, at + 128));
                x3 = wide_fold(x3, k2048, wide_take(dst, p, at + 192));
            }
            x = wide_fold(x, WIDE(FOLD_1536), wide_fold(x2, k512, x3));
            x = wide_fold(x1, WIDE(FOLD_1024), x);
        }
        for (; n - at >= 64; at += 64) x = wide_fold(x, k512, wide_take(dst, p, at));
        /* The last 0..63 bytes, at the right end of a vector: the masked-off bytes before them
         * are in the buffer too, so they can never lie on an unmapped page, which is slow. */
        size_t left = n - at;
        sum = zero;
        if (left)
            sum = wide_fold(wide_take_some(dst, p, n - 64, ~(~0ull >> left)), wide_end(0), zero);
        sum = wide_fold(x, wide_end((int)left), sum);
    }
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(sum),
                                    _mm512_extracti64x4_epi64(sum, 1));
    __m128i s = _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    REDUCE(s);
}

DEFINE_USERS(vpclmul, AVX512)

static int vpclmul_available(void) {
    return pclmul_available() && __builtin_cpu_supports("vpclmulqdq") &&
           __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

/* ---- AArch64 ----------------------------------------------------------------------------- */
#if defined(__aarch64__) && defined(__linux__) && defined(__GNUC__) && !defined(__ARM_BIG_ENDIAN)
#define AETHER_ARM 1
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
/* GCC's arm_acle.h is usable below a target attribute, older clang's only with the extension on
 * for the whole file: the instructions themselves are the common ground. */
#ifdef __clang__
#define ARM __attribute__((target("crc")))
#define ARM_CRC32D __builtin_arm_crc32d
#define ARM_CRC32B __builtin_arm_crc32b
#else
#include <arm_acle.h>
#define ARM __attribute__((target("+crc")))
#define ARM_CRC32D __crc32d
#define ARM_CRC32B __crc32b
#endif

ARM INLINE uint32_t arm(uint32_t crc, unsigned char *dst, const unsigned char *p, size_t n) {
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        if (dst) {
            __asm__ volatile("" : "+r"(v)); /* read once: the copy must be what was checksummed */
            memcpy(dst, &v, 8), dst += 8;
        }
        crc = ARM_CRC32D(crc, v);
    }
    for (; n; n--) {
        unsigned char b = *(const volatile unsigned char *)p++;
        if (dst) *dst++ = b;
        crc = ARM_CRC32B(crc, b);
    }
    return crc;
}

DEFINE_USERS(arm, ARM)

static int arm_available(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

/* ---- choice, once at load ---------------------------------------------------------------- */

static const implementation implementations[] = { /* best first */
#if defined(__x86_64__)
    {"x86-vpclmulqdq-avx512", vpclmul_available, vpclmul_crc, vpclmul_copy},
    {"x86-vpclmulqdq-avx2", vpclmul256_available, vpclmul256_crc, vpclmul256_copy},
    {"x86-pclmulqdq", pclmul_available, pclmul_crc, pclmul_copy},
#endif
#ifdef AETHER_ARM
    {"arm-crc32", arm_available, arm_crc, arm_copy},
#endif
    {"portable", portable_available, portable_crc, portable_copy},
};

static implementation chosen;

__attribute__((constructor)) static void choose(void) {
    build_slices();
#if defined(__x86_64__)
    __builtin_cpu_init();
    build_ends();
#endif
    const implementation *i = implementations;
    while (!i->available()) i++;
    chosen = *i;
}

uint32_t aether_crc32(uint32_t crc, const void *data, size_t length) {
    return chosen.crc(crc, data, length);
}

uint32_t aether_crc32_copy(uint32_t crc, void *dst, const void *src, size_t length) {
    /* an empty copy may come without a place, which the kernels take for "no copy" */
    return length ? chosen.copy(crc, dst, src, length) : crc;
}

const char *aether_crc32_implementation(void) { return chosen.name; }

int aether_crc32_force(const char *name) {
    for (size_t i = 0; i < sizeof implementations / sizeof *implementations; i++)
        if (!strcmp(implementations[i].name, name) && implementations[i].available()) {
            chosen = implementations[i];
            return 0;
        }
    return -1;
}
