// SPDX-License-Identifier: MIT
// Vectors of 16 floats; the names are those of simd_avx2.h.
#define FN(name) name##_avx512
#define W 16
#define vf __m512
#define vset(x) _mm512_set1_ps(x)
#define vfma(a, b, c) _mm512_fmadd_ps(a, b, c)
#define vfnma(a, b, c) _mm512_fnmadd_ps(a, b, c)
#define vfms(a, b, c) _mm512_fmsub_ps(a, b, c)
#define vmax(a, b) _mm512_max_ps(a, b)
#define vmin(a, b) _mm512_min_ps(a, b)
#define vsqrt(a) _mm512_sqrt_ps(a)
#define vload(p) _mm512_loadu_ps(p)
#define vstore(p, v) _mm512_storeu_ps(p, v)
#if defined(APUS_WITH_BF16)
#define TARGET target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,avx512bf16")
#else
#define TARGET target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#endif
#pragma clang attribute push(__attribute__((TARGET)), apply_to = function)
#undef TARGET

APUS_INLINE __mmask16 FN(lanes)(int n) { return (__mmask16)((1u << n) - 1); }

APUS_INLINE vf FN(load)(const float *p, int n) { return n == W ? vload(p) : _mm512_maskz_loadu_ps(FN(lanes)(n), p); }

APUS_INLINE void FN(store)(float *p, vf v, int n) {
    if (n == W) {
        vstore(p, v);
    } else {
        _mm512_mask_storeu_ps(p, FN(lanes)(n), v);
    }
}

APUS_INLINE vf FN(load_bf16)(const uint16_t *p, int n) {
    const __m256i half = n == W ? _mm256_loadu_si256((const __m256i *)p) : _mm256_maskz_loadu_epi16(FN(lanes)(n), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

APUS_INLINE __m256i FN(round_bf16)(vf v) {
    const __m512i bits = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i chosen = _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(chosen, 16));
}

APUS_INLINE void FN(store_bf16)(uint16_t *p, vf v, int n) {
    if (n == W) {
        _mm256_storeu_si256((__m256i *)p, FN(round_bf16)(v));
    } else {
        _mm256_mask_storeu_epi16(p, FN(lanes)(n), FN(round_bf16)(v));
    }
}

APUS_INLINE float FN(sum)(vf v) { return _mm512_reduce_add_ps(v); }

APUS_INLINE vf FN(lane_sums)(const vf v[W]) { return apus_lane_sums_512(v); }

APUS_INLINE vf FN(negative)(vf x, vf a, vf b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), b, a);
}

APUS_INLINE vf FN(where_bit)(const uint32_t *words, int bit, vf value) {
    const __m512i word = _mm512_loadu_si512(words);
    return _mm512_maskz_mov_ps(_mm512_test_epi32_mask(word, _mm512_set1_epi32((int)(1u << bit))), value);
}

APUS_INLINE vf FN(round)(vf x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

APUS_INLINE vf FN(scale2)(vf p, vf n) { return _mm512_scalef_ps(p, n); }

#include "simd_math.h"
