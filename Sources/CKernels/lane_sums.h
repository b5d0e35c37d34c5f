// SPDX-License-Identifier: MIT
// The sums of the lanes of several vectors at once: 21 instructions for eight vectors of 8, 45 for sixteen of 16, where adding
// up one vector alone takes 6 and 8. Where dot products are short (a head, a row of 384 weights) that is half of the work.
#ifndef APUS_LANE_SUMS_H
#define APUS_LANE_SUMS_H

#if defined(__x86_64__)
#include <immintrin.h>

#define APUS_INLINE_SUMS(TARGET) static inline __attribute__((always_inline, target(TARGET)))

/// Lane i of the result is the sum of v[i]: halves first, then quarters, then pairs, as in adding up one vector alone, so
/// that the bits are the same.
APUS_INLINE_SUMS("avx2,fma") __m256 apus_lane_sums_256(const __m256 v[8]) {
    // v in the order that leaves the sums in place at the end.
    const __m256 a[8] = {v[0], v[4], v[1], v[5], v[2], v[6], v[3], v[7]};
    __m256 b[4], c[2];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
        b[i] = _mm256_permute2f128_ps(a[2 * i], a[2 * i + 1], 0x20) + _mm256_permute2f128_ps(a[2 * i], a[2 * i + 1], 0x31);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++) {
        c[i] = _mm256_shuffle_ps(b[2 * i], b[2 * i + 1], 0x44) + _mm256_shuffle_ps(b[2 * i], b[2 * i + 1], 0xee);
    }
    return _mm256_shuffle_ps(c[0], c[1], 0x88) + _mm256_shuffle_ps(c[0], c[1], 0xdd);
}

/// The same of sixteen vectors; the bits are those of `_mm512_reduce_add_ps`.
APUS_INLINE_SUMS("avx512f") __m512 apus_lane_sums_512(const __m512 v[16]) {
    // Two at a time become halves side by side, four quarters side by side (of v[i], v[i + 4], v[i + 8] and v[i + 12], so
    // that the sums are in place at the end); pairs and single lanes are added within the quarters.
    __m512 b[4], c[2];
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
        const __m512 low = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x44) + _mm512_shuffle_f32x4(v[i], v[i + 4], 0xee);
        const __m512 high = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x44) + _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xee);
        b[i] = _mm512_shuffle_f32x4(low, high, 0x88) + _mm512_shuffle_f32x4(low, high, 0xdd);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++) {
        c[i] = _mm512_shuffle_ps(b[2 * i], b[2 * i + 1], 0x44) + _mm512_shuffle_ps(b[2 * i], b[2 * i + 1], 0xee);
    }
    return _mm512_shuffle_ps(c[0], c[1], 0x88) + _mm512_shuffle_ps(c[0], c[1], 0xdd);
}
#endif

#endif
