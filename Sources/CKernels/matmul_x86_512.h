// SPDX-License-Identifier: MIT
// What the AVX-512 paths share: packing in blocks of 16 x 16 units of 32 bits, and sums of lanes.
//
// A unit is a float32, a bfloat16 widened to one, or a pair of bfloat16 neighbours in k; so float32 panels and the pairs
// that vdpbf16ps and AMX want are packed, and transposed, by the same instructions.
#ifndef APUS_MATMUL_X86_512_H
#define APUS_MATMUL_X86_512_H

#include <immintrin.h>

#include "lane_sums.h"
#include "matmul_internal.h"

#define APUS_TARGET_512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define APUS_INLINE_512 static inline __attribute__((always_inline, target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))

typedef enum { APUS_UNIT_F32, APUS_UNIT_WIDENED, APUS_UNIT_PAIR } apus_unit_t;

APUS_INLINE_512 unsigned apus_mask(long count, int lanes) {
    return count >= lanes ? (unsigned)((1ull << lanes) - 1) : count <= 0 ? 0u : (1u << count) - 1u;
}

/// Up to 16 units of one p along k, from element k on; zeros from k_count on.
APUS_INLINE_512 __m512i apus_load_along_k(const apus_pack_t *s, long p, long k, apus_unit_t unit) {
    const long left = s->k_count - k;
    if (left <= 0) return _mm512_setzero_si512();
    if (unit == APUS_UNIT_F32) {
        const float *from = (const float *)s->data + p * s->p_stride + k;
        return _mm512_castps_si512(_mm512_maskz_loadu_ps((__mmask16)apus_mask(left, 16), from));
    }
    const uint16_t *from = (const uint16_t *)s->data + p * s->p_stride + k;
    if (unit == APUS_UNIT_PAIR) return _mm512_maskz_loadu_epi16((__mmask32)apus_mask(left, 32), from);
    const __m256i narrow = _mm256_maskz_loadu_epi16((__mmask16)apus_mask(left, 16), from);
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16);
}

/// One unit of up to 16 neighbours in p, at element k; zeros from k_count on.
APUS_INLINE_512 __m512i apus_load_along_p(const apus_pack_t *s, long p, __mmask16 valid, long k, apus_unit_t unit) {
    if (k >= s->k_count) return _mm512_setzero_si512();
    if (unit == APUS_UNIT_F32) {
        return _mm512_castps_si512(_mm512_maskz_loadu_ps(valid, (const float *)s->data + p + k * s->k_stride));
    }
    const uint16_t *from = (const uint16_t *)s->data + p + k * s->k_stride;
    const __m256i first = _mm256_maskz_loadu_epi16(valid, from);
    if (unit == APUS_UNIT_WIDENED) return _mm512_slli_epi32(_mm512_cvtepu16_epi32(first), 16);
    if (k + 1 >= s->k_count) return _mm512_cvtepu16_epi32(first);
    // Element i of the second operand has index 32 + i.
    const __m512i zipped = _mm512_set_epi16(
        47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m256i second = _mm256_maskz_loadu_epi16(valid, from + s->k_stride);
    return _mm512_permutex2var_epi16(_mm512_castsi256_si512(first), zipped, _mm512_castsi256_si512(second));
}

/// Transposes 16 x 16 units.
APUS_INLINE_512 void apus_transpose(__m512i v[16]) {
    __m512i a[16], b[16];
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i += 4) {
        b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
        b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
        b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
        b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
    }
    // Now 128-bit lane l of b[4g + c] holds column 4l + c of rows 4g ... 4g + 3.
#pragma clang loop unroll(full)
    for (int c = 0; c < 4; c++) {
        const __m512i even0 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0x88), even1 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0x88);
        const __m512i odd0 = _mm512_shuffle_i32x4(b[c], b[4 + c], 0xdd), odd1 = _mm512_shuffle_i32x4(b[8 + c], b[12 + c], 0xdd);
        v[c] = _mm512_shuffle_i32x4(even0, even1, 0x88);
        v[4 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0x88);
        v[8 + c] = _mm512_shuffle_i32x4(even0, even1, 0xdd);
        v[12 + c] = _mm512_shuffle_i32x4(odd0, odd1, 0xdd);
    }
}

/// Asks for what is packed four blocks later of up to 16 rows that lie apart: too many for the hardware to foresee.
/// A prefetch may point beyond the operand.
APUS_INLINE_512 void apus_prefetch_rows(const apus_pack_t *s, long p, long valid, long k) {
    enum { AHEAD = 256 };  // bytes
    const long size = s->dtype == APUS_F32 ? 4 : 2;
    const uintptr_t from = (uintptr_t)s->data + (uintptr_t)((p * s->p_stride + k) * size + AHEAD);
    for (long i = 0; i < valid; i++) _mm_prefetch((const char *)(from + (uintptr_t)(i * s->p_stride * size)), _MM_HINT_T0);
}

/// Asks for what the next panels take of 32 steps of k, each of which lies in a line of its own. A prefetch may point beyond the operand.
APUS_INLINE_512 void apus_prefetch_steps(const apus_pack_t *s, long p, long k) {
    enum { STEPS = 32, LINE = 64 };
    const uintptr_t from = (uintptr_t)s->data + (uintptr_t)((p + k * s->k_stride) * 2 + LINE);
    for (long i = 0; i < STEPS; i++) _mm_prefetch((const char *)(from + (uintptr_t)(i * s->k_stride * 2)), _MM_HINT_T0);
}

/// Packs units first ..< end of one panel, whose p start at p0; the arguments are those of `apus_pack_512`. Stores are whole vectors, so
/// those of a panel of 14 reach two units into what is written after them, but for the panel's last.
APUS_INLINE_512 void apus_pack_panel_512(
    uint32_t *base, const apus_pack_t *s, long p0, const long panel, long units, long first, long end, const apus_unit_t unit,
    const int by_rows) {
    const long per_unit = unit == APUS_UNIT_PAIR ? 2 : 1;
    const int along_k = s->k_stride == 1;
    for (long u0 = first; u0 < end; u0 += 16) {
        for (long h = 0; h < panel; h += 16) {
            const long room = panel - h < 16 ? panel - h : 16;
            const long left = s->p_count - p0 - h, valid = left < 0 ? 0 : left < room ? left : room;
            const __mmask16 lanes = (__mmask16)apus_mask(valid, 16);
            __m512i v[16];
            if (along_k) {
                apus_prefetch_rows(s, p0 + h, valid, u0 * per_unit);
#pragma clang loop unroll(full)
                for (int i = 0; i < 16; i++) {
                    v[i] = i < valid ? apus_load_along_k(s, p0 + h + i, u0 * per_unit, unit) : _mm512_setzero_si512();
                }
            } else {
                if (unit == APUS_UNIT_PAIR) apus_prefetch_steps(s, p0 + h, u0 * per_unit);
#pragma clang loop unroll(full)
                for (int i = 0; i < 16; i++) v[i] = apus_load_along_p(s, p0 + h, lanes, (u0 + i) * per_unit, unit);
            }
            if (along_k != by_rows) apus_transpose(v);
            const long stride = by_rows ? 16 : panel;
            uint32_t *to = by_rows ? base + u0 * panel + h * 16 : base + u0 * panel + h;
            const long count = by_rows || units - u0 > 16 ? 16 : units - u0;
#pragma clang loop unroll(full)
            for (int i = 0; i < 16; i++) {
                if (i >= count) continue;
                if (!by_rows && panel % 16 != 0 && u0 + i == units - 1) {
                    // Behind it the next panel begins, parts of which may be there already.
                    _mm512_mask_storeu_epi32(to + i * stride, (__mmask16)apus_mask(room, 16), v[i]);
                } else {
                    _mm512_storeu_si512(to + i * stride, v[i]);
                }
            }
        }
    }
}

/// Packs panels of `panel` (14, 16 or 32); by_rows: 16 units of one p lie together (AMX's a), else the panel's p.
///
/// Pairs across k are packed by so many units of all panels that the lines of one panel, which its neighbours
/// share, are still in the first cache for them: read again for each of them, they made a weight gradient up to a sixth slower. For
/// float32, of whose lines fewer panels have a part, it made no difference.
APUS_INLINE_512 void apus_pack_512(
    void *panels, const apus_pack_t *s, const long panel, const apus_unit_t unit, const int by_rows) {
    const long per_unit = unit == APUS_UNIT_PAIR ? 2 : 1;
    const long units = s->k_padded / per_unit;
    const int along_k = s->k_stride == 1;
    const long most = !along_k && unit == APUS_UNIT_PAIR ? 64 : units;
    for (long first = 0; first < units; first += most) {
        const long end = units - first < most ? units : first + most;
        for (long p0 = 0; p0 < s->p_count; p0 += panel) {
            apus_pack_panel_512((uint32_t *)panels + p0 * units, s, p0, panel, units, first, end, unit, by_rows);
        }
    }
}

APUS_INLINE_512 void apus_store_lane_sums(float *to, const __m512 v[16]) { _mm512_storeu_ps(to, apus_lane_sums_512(v)); }

#endif
