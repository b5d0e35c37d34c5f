// SPDX-License-Identifier: MIT
// SHA-256 as FIPS 180-4 writes it, with the x86 SHA extensions where the CPU has them.
#include "sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

const uint32_t apus_sha256_constants[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define K apus_sha256_constants

static inline uint32_t rotr(uint32_t x, int n) { return (x >> n) | (x << (32 - n)); }

void apus_sha256_compress_portable(uint32_t h[8], const uint8_t *data, size_t blocks) {
    for (; blocks > 0; blocks--, data += 64) {
        uint32_t w[64];
        for (int i = 0; i < 16; i++) {
            w[i] = (uint32_t)data[4 * i] << 24 | (uint32_t)data[4 * i + 1] << 16 | (uint32_t)data[4 * i + 2] << 8 | data[4 * i + 3];
        }
        for (int i = 16; i < 64; i++) {
            uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
            uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
        for (int i = 0; i < 64; i++) {
            uint32_t t1 = k + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
            uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
            k = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
        }
        h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e, h[5] += f, h[6] += g, h[7] += k;
    }
}

#if defined(__x86_64__)
/// Four rounds a step; the instructions keep the state as (a,b,e,f) and (c,d,g,h). Intel SDM, SHA256RNDS2.
__attribute__((target("sha,sse4.1,ssse3"))) static void compress_sha(uint32_t h[8], const uint8_t *data, size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    __m128i low = _mm_loadu_si128((const __m128i *)h), high = _mm_loadu_si128((const __m128i *)(h + 4));
    low = _mm_shuffle_epi32(low, 0xb1);    // b a d c
    high = _mm_shuffle_epi32(high, 0x1b);  // h g f e reversed
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i abef0 = abef, cdgh0 = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++) w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), swap);
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            __m128i now = w[i & 3];
            __m128i m = _mm_add_epi32(now, _mm_load_si128((const __m128i *)(K + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, m);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(m, 0x0e));
            if (i < 12) {  // w[i] is replaced by the schedule words four steps on
                __m128i next = w[(i + 1) & 3], after = w[(i + 2) & 3], last = w[(i + 3) & 3];
                __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, after, 4));
                w[i & 3] = _mm_sha256msg2_epu32(t, last);
            }
        }
        abef = _mm_add_epi32(abef, abef0), cdgh = _mm_add_epi32(cdgh, cdgh0);
    }
    low = _mm_shuffle_epi32(abef, 0x1b), high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)h, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(high, low, 8));
}

static int has_sha(void) {
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & (1u << 29))) return 0;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 19)) && (c & (1u << 9));
}
#endif

int apus_sha256_has_extensions(void) {
#if defined(__x86_64__)
    static int use_sha = -1;  // the same value whoever computes it, so a race is harmless
    int use = __atomic_load_n(&use_sha, __ATOMIC_RELAXED);
    if (use < 0) __atomic_store_n(&use_sha, use = has_sha(), __ATOMIC_RELAXED);
    return use;
#else
    return 0;
#endif
}

void apus_sha256_compress(uint32_t h[8], const uint8_t *data, size_t blocks) {
#if defined(__x86_64__)
    if (apus_sha256_has_extensions()) {
        compress_sha(h, data, blocks);
        return;
    }
#endif
    apus_sha256_compress_portable(h, data, blocks);
}

void apus_sha256_init(apus_sha256_t *s) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(s->state, start, sizeof start);
    s->length = 0;
}

void apus_sha256_update(apus_sha256_t *s, const void *data, size_t length) {
    if (length == 0) return;
    const uint8_t *p = data;
    size_t have = s->length & 63;
    s->length += length;
    if (have > 0) {
        size_t take = 64 - have < length ? 64 - have : length;
        memcpy(s->pending + have, p, take);
        p += take, length -= take;
        if (have + take < 64) return;
        apus_sha256_compress(s->state, s->pending, 1);
    }
    apus_sha256_compress(s->state, p, length / 64);
    memcpy(s->pending, p + (length & ~(size_t)63), length & 63);
}

void apus_sha256_final(apus_sha256_t *s, uint8_t digest[32]) {
    uint64_t bits = s->length * 8;
    uint8_t pad[72] = {0x80};
    size_t zeros = (s->length & 63) < 56 ? 56 - (s->length & 63) : 120 - (s->length & 63);
    for (int i = 0; i < 8; i++) pad[zeros + i] = (uint8_t)(bits >> (56 - 8 * i));
    apus_sha256_update(s, pad, zeros + 8);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 4; j++) digest[4 * i + j] = (uint8_t)(s->state[i] >> (24 - 8 * j));
    }
}

void apus_sha256_portable(const void *data, size_t length, uint8_t digest[32]) {
    apus_sha256_t s;
    apus_sha256_init(&s);
    apus_sha256_compress_portable(s.state, data, length / 64);
    uint8_t tail[128] = {0};
    size_t rest = length & 63, blocks = rest < 56 ? 1 : 2;
    if (rest > 0) memcpy(tail, (const uint8_t *)data + (length - rest), rest);
    tail[rest] = 0x80;
    for (int i = 0; i < 8; i++) tail[64 * blocks - 8 + i] = (uint8_t)((uint64_t)length * 8 >> (56 - 8 * i));
    apus_sha256_compress_portable(s.state, tail, blocks);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 4; j++) digest[4 * i + j] = (uint8_t)(s.state[i] >> (24 - 8 * j));
    }
}
