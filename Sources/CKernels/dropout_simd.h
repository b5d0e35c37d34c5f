// SPDX-License-Identifier: MIT
// Philox on vectors of counters, and masks on vectors of elements; see simd.h.
APUS_INLINE uint64_t FN(spread)(uint64_t word) {
    // Bit i goes to bit 4 i.
    word = (word | word << 24) & 0x000000ff000000ff;
    word = (word | word << 12) & 0x000f000f000f000f;
    word = (word | word << 6) & 0x0303030303030303;
    return (word | word << 3) & 0x1111111111111111;
}

// Counters lie in 64-bit lanes, each word in the lower half of its lane: the multiplication reads only lower halves, so
// what products leave in the upper halves never has to be cleared before the end.
#if W == 16
#define COUNTERS 8
#define wide __m512i
#define wide_set(x) _mm512_set1_epi64((long long)(x))
#define wide_mul(a, b) _mm512_mul_epu32(a, b)
#define wide_high(a) _mm512_srli_epi64(a, 32)
#define wide_xor3(a, b, c) _mm512_ternarylogic_epi64(a, b, c, 0x96)
#define wide_first(x) _mm512_add_epi64(wide_set(x), _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7))
#define wide_kept(a, limit) _mm512_cmpge_epu64_mask(_mm512_and_si512(a, wide_set(0xffffffff)), limit)
#else
#define COUNTERS 4
#define wide __m256i
#define wide_set(x) _mm256_set1_epi64x((long long)(x))
#define wide_mul(a, b) _mm256_mul_epu32(a, b)
#define wide_high(a) _mm256_srli_epi64(a, 32)
#define wide_xor3(a, b, c) _mm256_xor_si256(_mm256_xor_si256(a, b), c)
#define wide_first(x) _mm256_add_epi64(wide_set(x), _mm256_setr_epi64x(0, 1, 2, 3))
#define wide_below(a, limit) _mm256_cmpgt_epi64(limit, _mm256_and_si256(a, wide_set(0xffffffff)))
#define wide_kept(a, limit) (0xf & ~(unsigned)_mm256_movemask_pd(_mm256_castsi256_pd(wide_below(a, limit))))
#endif

static uint64_t FN(keep_blocks)(const apus_dropout_t *dropout, uint64_t sample, uint32_t block) {
    enum { VECTORS = 16 / COUNTERS };
    wide c[VECTORS][4];
    for (int i = 0; i < VECTORS; i++) {
        c[i][0] = wide_first((uint64_t)block + (uint64_t)(i * COUNTERS));
        c[i][1] = wide_set(dropout->site), c[i][2] = wide_set(sample & 0xffffffff), c[i][3] = wide_set(sample >> 32);
    }
    const wide m0 = wide_set(PHILOX_M0), m1 = wide_set(PHILOX_M1);
    uint32_t k0 = (uint32_t)dropout->seed, k1 = (uint32_t)(dropout->seed >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const wide key0 = wide_set(k0), key1 = wide_set(k1);
        for (int i = 0; i < VECTORS; i++) {
            const wide p0 = wide_mul(c[i][0], m0), p1 = wide_mul(c[i][2], m1);
            c[i][0] = wide_xor3(wide_high(p1), c[i][1], key0), c[i][1] = p1;
            c[i][2] = wide_xor3(wide_high(p0), c[i][3], key1), c[i][3] = p0;
        }
        k0 += PHILOX_W0, k1 += PHILOX_W1;
    }
    const wide limit = wide_set(dropout->threshold);
    uint64_t bits = 0;
    for (int w = 0; w < 4; w++) {
        uint64_t kept = 0;
        for (int i = 0; i < VECTORS; i++) kept |= (uint64_t)wide_kept(c[i][w], limit) << (i * COUNTERS);
        bits |= FN(spread)(kept) << w;
    }
    return bits;
}

APUS_INLINE vf FN(drop_vector)(vf x, uint32_t bits, vf scale) {
#if W == 16
    return _mm512_maskz_mul_ps((__mmask16)bits, x, scale);
#else
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i set = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane);
    return _mm256_and_ps(x * scale, _mm256_castsi256_ps(set));
#endif
}

/// Multiplies 64 elements by their mask.
static void FN(drop)(void *x, apus_dtype_t dtype, uint64_t keep, float scale) {
    for (int i = 0; i < 64; i += W) {
        const uint32_t bits = (uint32_t)(keep >> i) & ((1u << W) - 1);
        if (dtype == APUS_F32) {
            float *at = (float *)x + i;
            vstore(at, FN(drop_vector)(vload(at), bits, vset(scale)));
        } else {
            uint16_t *at = (uint16_t *)x + i;
            FN(store_bf16)(at, FN(drop_vector)(FN(load_bf16)(at, W), bits, vset(scale)), W);
        }
    }
}

#undef COUNTERS
#undef wide
#undef wide_set
#undef wide_mul
#undef wide_high
#undef wide_xor3
#undef wide_first
#undef wide_below
#undef wide_kept
