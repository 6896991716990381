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

/* ---- carry-less multiplication, one 128-bit lane at a time: x86 and AArch64 ---------------- */
#if defined(__x86_64__)
#define AETHER_X86 1
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__linux__) && defined(__GNUC__) && !defined(__ARM_BIG_ENDIAN)
#define AETHER_ARM 1
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

#if defined(AETHER_X86) || defined(AETHER_ARM)

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

/* (k(d-32), k(d+32)) for d bits, in the order of lane_of. */
#define FOLD_512 0x1c6e41596, 0x154442bd4
#define FOLD_1024 0x14a7fe880, 0x1e88ef372
#define FOLD_1536 0x12e958ac4, 0x1821d8bc0
#define FOLD_2048 0x1322d1430, 0x11542778a

#ifdef AETHER_X86
#define SSE __attribute__((target("sse4.1,pclmul")))
#define AVX2 __attribute__((target("avx2,vpclmulqdq,pclmul")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,vpclmulqdq,pclmul")))
#define LANE SSE
#define LANE_REGISTER "x"
typedef __m128i lane;

/* The products of the lower halves and of the upper halves. */
LANE INLINE lane product_low(lane x, lane k) { return _mm_clmulepi64_si128(x, k, 0x00); }
LANE INLINE lane product_high(lane x, lane k) { return _mm_clmulepi64_si128(x, k, 0x11); }
#else
/* GCC has the intrinsics below a target attribute, older clang only with the extension on for the
 * whole file: the instructions themselves are the common ground. */
#ifdef __clang__
#define LANE __attribute__((target("crc,aes")))
#else
#define LANE __attribute__((target("+crc+crypto")))
#endif
#define LANE_REGISTER "w"
typedef uint64x2_t __attribute__((may_alias)) lane;

LANE INLINE lane product_low(lane x, lane k) {
    lane product;
    __asm__("pmull %0.1q, %1.1d, %2.1d" : "=w"(product) : "w"(x), "w"(k));
    return product;
}
LANE INLINE lane product_high(lane x, lane k) {
    lane product;
    __asm__("pmull2 %0.1q, %1.2d, %2.2d" : "=w"(product) : "w"(x), "w"(k));
    return product;
}
#endif

LANE INLINE lane lane_of(uint64_t high, uint64_t low) {
    typedef uint64_t halves __attribute__((vector_size(16)));
    return (lane)(halves){low, high};
}

LANE INLINE lane multiply(lane x, lane k) { return product_low(x, k) ^ product_high(x, k); }

/* Barrett, from s = v*x^32 with v below degree 96 to v mod G: q = floor(v / G) is the upper half
 * of (v's upper 64 coefficients) * floor(x^95 / G), then v + q*G has 32 coefficients left. */
LANE INLINE uint32_t reduce(lane s) {
    lane q = product_low(s, lane_of(0, 0xb4e5b025f7011641));
    return (uint32_t)(s ^ product_low(q, lane_of(0, 0x1db710641)))[1];
}

/* Take 16 bytes, copying them on the way. The empty asm pins the value in a register, or the
 * compiler might read the source again for the checksum. */
LANE INLINE lane take(unsigned char *dst, const unsigned char *p, size_t at) {
    lane v;
    memcpy(&v, p + at, sizeof v);
    if (dst) {
        __asm__ volatile("" : "+" LANE_REGISTER(v));
        memcpy(dst + at, &v, sizeof v);
    }
    return v;
}

/* The first n < 16 bytes, from registers only: a detour over the stack would have to wait until
 * its stores are done. Two loads overlap, and so do the two stores, of the same bytes. */
LANE INLINE lane take_short(unsigned char *dst, const unsigned char *p, size_t n) {
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
    return lane_of(high, low);
}

/* 32 bytes from `left` on: zeros, and `left` times 255 at the right end. */
#define ONES_8 255, 255, 255, 255, 255, 255, 255, 255
static const unsigned char right_end[64] = {[32] = ONES_8, ONES_8, ONES_8, ONES_8};

/* The last left < 16 bytes of n >= 16, at the right end of a vector. The copy writes the bytes
 * before them, too, which have not been checked: so this must come first, to have them
 * overwritten by those that are. */
LANE INLINE lane take_last(unsigned char *dst, const unsigned char *p, size_t n, size_t left) {
    lane mask;
    memcpy(&mask, right_end + 16 + left, sizeof mask);
    return take(dst, p, n - 16) & mask;
}

/* The pairs for a lane that ends e bytes before the end, and for those that follow it. */
LANE INLINE const lane *ends_from(size_t e) { return (const lane *)END((int)e); }

LANE INLINE uint32_t fold(uint32_t crc, unsigned char *dst, const unsigned char *p, size_t n) {
    const lane start = lane_of(0, crc);
    if (!n) return crc;
    if (n < 16) return reduce(multiply(take_short(dst, p, n) ^ start, *ends_from(n - 16)));
    lane sum = lane_of(0, 0);
    size_t left = n & 15, at = 16;
    if (left) sum = multiply(take_last(dst, p, n, left), *ends_from(0));
    lane x = take(dst, p, 0) ^ start;
    const lane *k;
    if (n >= 128) { /* four chains hide the latency of the multiplier */
        const lane k512 = lane_of(FOLD_512);
        lane x1 = take(dst, p, 16), x2 = take(dst, p, 32), x3 = take(dst, p, 48);
        /* `take` on the left, so that GCC loads and stores first: 6 % for the copy on Zen 3 */
        for (at = 64; n - at >= 64; at += 64) {
            x = take(dst, p, at) ^ multiply(x, k512);
            x1 = take(dst, p, at + 16) ^ multiply(x1, k512);
            x2 = take(dst, p, at + 32) ^ multiply(x2, k512);
            x3 = take(dst, p, at + 48) ^ multiply(x3, k512);
        }
        k = ends_from(n - at + 48);
        sum ^= multiply(x1, k[1]) ^ multiply(x2, k[2]) ^ multiply(x3, k[3]);
        sum ^= multiply(x, *k);
        k += 4;
    } else {
        k = ends_from(n - 16);
        sum ^= multiply(x, *k++);
    }
    for (; n - at >= 16; at += 16) sum ^= multiply(take(dst, p, at), *k++);
    return reduce(sum);
}
#endif

/* ---- x86 --------------------------------------------------------------------------------- */
#ifdef AETHER_X86
DEFINE_USERS(fold, SSE)

static int fold_available(void) {
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

/* The same with two lanes to a vector. More than four chains gain nothing: the multiplier of
 * Zen 3 is busy without a pause (measured: a new product each two cycles, be it of one lane or of
 * two). The compilers put a vzeroupper before each return that needs it. */
AVX2 INLINE __m256i pair_take(unsigned char *dst, const unsigned char *p, size_t at) {
    __m256i v = _mm256_loadu_si256((const __m256i *)(p + at));
    if (dst) {
        __asm__ volatile("" : "+x"(v));
        _mm256_storeu_si256((__m256i *)(dst + at), v);
    }
    return v;
}

AVX2 INLINE __m256i pair_multiply(__m256i x, __m256i k) {
    return _mm256_clmulepi64_epi128(x, k, 0x00) ^ _mm256_clmulepi64_epi128(x, k, 0x11);
}

/* e is that of the first lane. */
AVX2 INLINE const __m256i_u *pair_ends_from(size_t e) { return (const __m256i_u *)END((int)e); }

AVX2 INLINE uint32_t fold_pairs(uint32_t crc, unsigned char *dst, const unsigned char *p,
                                size_t n) {
    if (n < 32) return fold(crc, dst, p, n);
    __m256i sum = _mm256_setzero_si256();
    size_t left = n & 31, at = 32;
    if (left) { /* first, see take_last */
        __m256i mask = _mm256_loadu_si256((const __m256i *)(right_end + left));
        sum = pair_multiply(pair_take(dst, p, n - 32) & mask, *pair_ends_from(16));
    }
    __m256i x = pair_take(dst, p, 0) ^ _mm256_zextsi128_si256(lane_of(0, crc));
    const __m256i_u *k;
    if (n >= 256) {
        const __m256i k1024 = _mm256_broadcastsi128_si256(lane_of(FOLD_1024));
        __m256i x1 = pair_take(dst, p, 32), x2 = pair_take(dst, p, 64);
        __m256i x3 = pair_take(dst, p, 96);
        for (at = 128; n - at >= 128; at += 128) {
            x = pair_take(dst, p, at) ^ pair_multiply(x, k1024);
            x1 = pair_take(dst, p, at + 32) ^ pair_multiply(x1, k1024);
            x2 = pair_take(dst, p, at + 64) ^ pair_multiply(x2, k1024);
            x3 = pair_take(dst, p, at + 96) ^ pair_multiply(x3, k1024);
        }
        k = pair_ends_from(n - at + 112);
        sum ^= pair_multiply(x1, k[1]) ^ pair_multiply(x2, k[2]) ^ pair_multiply(x3, k[3]);
        sum ^= pair_multiply(x, *k);
        k += 4;
    } else {
        k = pair_ends_from(n - 16);
        sum ^= pair_multiply(x, *k++);
    }
    for (; n - at >= 32; at += 32) sum ^= pair_multiply(pair_take(dst, p, at), *k++);
    return reduce(_mm256_castsi256_si128(sum) ^ _mm256_extracti128_si256(sum, 1));
}

DEFINE_USERS(fold_pairs, AVX2)

/* The compilers' runtimes answer with no when the system does not save the registers (XCR0). */
static int fold_pairs_available(void) {
    return fold_available() && __builtin_cpu_supports("avx2") &&
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

#define WIDE(pair) _mm512_broadcast_i32x4(lane_of(pair))

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
    return reduce(_mm256_castsi256_si128(half) ^ _mm256_extracti128_si256(half, 1));
}

DEFINE_USERS(vpclmul, AVX512)

static int vpclmul_available(void) {
    return fold_available() && __builtin_cpu_supports("vpclmulqdq") &&
           __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

/* ---- AArch64 ----------------------------------------------------------------------------- */
#ifdef AETHER_ARM
#ifndef HWCAP_PMULL
#define HWCAP_PMULL (1 << 4)
#endif
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#ifdef __clang__
#define ARM __attribute__((target("crc")))
#define ARM_CRC32(size) __builtin_arm_crc32##size
#else
#include <arm_acle.h>
#define ARM __attribute__((target("+crc")))
#define ARM_CRC32(size) __crc32##size
#endif

/* One number of the size that CRC instruction takes. Read once: the copy must be what was
 * checksummed. */
#define ARM_STEP(type, size)                                                                      \
    do {                                                                                          \
        type v;                                                                                   \
        memcpy(&v, p, sizeof v);                                                                  \
        if (dst) {                                                                                \
            __asm__ volatile("" : "+r"(v));                                                       \
            memcpy(dst, &v, sizeof v), dst += sizeof v;                                           \
        }                                                                                         \
        crc = ARM_CRC32(size)(crc, v);                                                            \
        p += sizeof v;                                                                            \
    } while (0)

ARM INLINE uint32_t arm(uint32_t crc, unsigned char *dst, const unsigned char *p, size_t n) {
    for (; n >= 8; n -= 8) ARM_STEP(uint64_t, d);
    if (n & 4) ARM_STEP(uint32_t, w);
    if (n & 2) ARM_STEP(uint16_t, h);
    if (n & 1) ARM_STEP(uint8_t, b);
    return crc;
}

DEFINE_USERS(arm, ARM)

static int arm_available(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

/* A CRC instruction waits for the one before it, two cycles for 8 bytes on most processors
 * (Neoverse N1, Arm's optimization guide); multiplications do not, but cost more at the end. */
LANE INLINE uint32_t arm_fold(uint32_t crc, unsigned char *dst, const unsigned char *p, size_t n) {
    return n < 128 ? arm(crc, dst, p, n) : fold(crc, dst, p, n);
}

DEFINE_USERS(arm_fold, LANE)

static int arm_fold_available(void) {
    return arm_available() && (getauxval(AT_HWCAP) & HWCAP_PMULL) != 0;
}
#endif

/* ---- choice, once at load ---------------------------------------------------------------- */

static const implementation implementations[] = { /* best first */
#ifdef AETHER_X86
    {"x86-vpclmulqdq-avx512", vpclmul_available, vpclmul_crc, vpclmul_copy},
    {"x86-vpclmulqdq-avx2", fold_pairs_available, fold_pairs_crc, fold_pairs_copy},
    {"x86-pclmulqdq", fold_available, fold_crc, fold_copy},
#endif
#ifdef AETHER_ARM
    {"arm-pmull", arm_fold_available, arm_fold_crc, arm_fold_copy},
    {"arm-crc32", arm_available, arm_crc, arm_copy},
#endif
    {"portable", portable_available, portable_crc, portable_copy},
};

static implementation chosen;

__attribute__((constructor)) static void choose(void) {
    build_slices();
#ifdef AETHER_X86
    __builtin_cpu_init();
#endif
#if defined(AETHER_X86) || defined(AETHER_ARM)
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
