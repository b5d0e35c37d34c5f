// SPDX-License-Identifier: MIT
// Vectors of 8 floats. Between this file and simd_end.h: FN(name) is name_avx2, vf a vector of W floats; n <= W elements
// are loaded (zeros behind them) and stored, and with n known to be W the branch disappears.
#define FN(name) name##_avx2
#define W 8
#define vf __m256
#define vset(x) _mm256_set1_ps(x)
#define vfma(a, b, c) _mm256_fmadd_ps(a, b, c)    // a b + c
#define vfnma(a, b, c) _mm256_fnmadd_ps(a, b, c)  // c - a b
#define vfms(a, b, c) _mm256_fmsub_ps(a, b, c)    // a b - c
#define vmax(a, b) _mm256_max_ps(a, b)            // b where one is NaN
#define vmin(a, b) _mm256_min_ps(a, b)
#define vsqrt(a) _mm256_sqrt_ps(a)
#define vload(p) _mm256_loadu_ps(p)
#define vstore(p, v) _mm256_storeu_ps(p, v)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

APUS_INLINE __m256i FN(lanes)(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

APUS_INLINE vf FN(load)(const float *p, int n) { return n == W ? vload(p) : _mm256_maskload_ps(p, FN(lanes)(n)); }

APUS_INLINE void FN(store)(float *p, vf v, int n) {
    if (n == W) {
        vstore(p, v);
    } else {
        _mm256_maskstore_ps(p, FN(lanes)(n), v);
    }
}

APUS_INLINE vf FN(load_bf16)(const uint16_t *p, int n) {
    __m128i half = _mm_setzero_si128();
    if (n == W) {
        half = _mm_loadu_si128((const __m128i *)p);
    } else {
        memcpy(&half, p, 2 * (size_t)n);
    }
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/// Nearest even; the addition would turn some NaN into infinity, so those only get their quiet bit.
APUS_INLINE void FN(store_bf16)(uint16_t *p, vf v, int n) {
    const __m256i bits = _mm256_castps_si256(v), odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    if (n == W) {
        _mm_storeu_si128((__m128i *)p, half);
    } else {
        memcpy(p, &half, 2 * (size_t)n);
    }
}

APUS_INLINE float FN(sum)(vf v) {
    const __m128 a = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b)));
}

/// Lane i is the sum of v[i]: W sums at once, with the bits of one.
APUS_INLINE vf FN(lane_sums)(const vf v[W]) { return apus_lane_sums_256(v); }

/// x < 0 ? a : b
APUS_INLINE vf FN(negative)(vf x, vf a, vf b) {
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}

/// value where bit `bit` of the lane's word is set, else 0.
APUS_INLINE vf FN(where_bit)(const uint32_t *words, int bit, vf value) {
    const __m256i word = _mm256_loadu_si256((const __m256i *)words);
    const __m256i set = _mm256_slli_epi32(word, 31 - bit);  // the sign is what blendv looks at
    return _mm256_blendv_ps(_mm256_setzero_ps(), value, _mm256_castsi256_ps(set));
}

APUS_INLINE vf FN(round)(vf x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

/// p 2^n for whole n in [-159, 128], p in [0.7, 1.5]; 0 below -126 and infinity for 128.
APUS_INLINE vf FN(scale2)(vf p, vf n) {
    // In two steps, since 2^128 is not a float; what would be denormal becomes 0.
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    const __m256i a = _mm256_slli_epi32(_mm256_add_epi32(half, _mm256_set1_epi32(127)), 23);
    const __m256i b = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), _mm256_set1_epi32(127)), 23);
    const vf tiny = _mm256_cmp_ps(n, vset(-126), _CMP_LT_OQ);
    return _mm256_andnot_ps(tiny, p * _mm256_castsi256_ps(a) * _mm256_castsi256_ps(b));
}

#include "simd_math.h"
