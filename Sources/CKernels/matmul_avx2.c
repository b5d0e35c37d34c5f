// SPDX-License-Identifier: MIT
// AVX2 and FMA: float32 tiles of 6 x 16; bfloat16 operands are widened when packed.
#include "matmul_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "lane_sums.h"

#define TARGET_AVX2 __attribute__((target("avx2,fma")))
#define INLINE_AVX2 static inline __attribute__((always_inline, target("avx2,fma")))

// 12 of the 16 registers hold sums.
#define APUS_TILE_ROWS 6
enum { MR = APUS_TILE_ROWS, LANES = 8, K_STEP = 1 };
#define TILE_TARGET TARGET_AVX2
#define TILE_INLINE INLINE_AVX2
// 12 multiplications a step are few beside the loop's own instructions.
#define TILE_UNROLL 4
#define sums_t __m256
#define operand_t __m256
#define ZERO _mm256_setzero_ps()
#define LOAD_SUMS(from) _mm256_loadu_ps(from)
#define ADD_SUMS(a, b) _mm256_add_ps(a, b)
#define STORE_SUMS(to, v) _mm256_storeu_ps(to, v)
#define LOAD(from) _mm256_loadu_ps((const float *)(from))
#define BROADCAST(from) _mm256_broadcast_ss((const float *)(from))
#define DOT(sums, a, b) _mm256_fmadd_ps(a, b, sums)
#include "matmul_tile_simd.h"

// MARK: Packing in blocks of 8 x 8

/// `count` (up to 8) neighbours from an element on, widened to float32; the rest zeros.
INLINE_AVX2 __m256 load_some(const void *data, apus_dtype_t dtype, long at, long count) {
    if (count >= 8) {
        if (dtype == APUS_F32) return _mm256_loadu_ps((const float *)data + at);
        const __m128i narrow = _mm_loadu_si128((const __m128i *)((const uint16_t *)data + at));
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
    }
    float some[8] = {0};
    for (long i = 0; i < count; i++) some[i] = apus_get(data, dtype, at + i);
    return _mm256_loadu_ps(some);
}

INLINE_AVX2 void transpose(__m256 v[8]) {
    __m256 a[8], b[8];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i += 4) {
        b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
        b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
        b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
        b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
    }
#pragma clang loop unroll(full)
    for (int c = 0; c < 4; c++) {
        v[c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x20);
        v[4 + c] = _mm256_permute2f128_ps(b[c], b[4 + c], 0x31);
    }
}

/// Where row or column p of an operand has its eight elements that go together: neighbours in k, or p's and those after it.
INLINE_AVX2 long eight_at(const apus_pack_t *s, const int along_k, long p, long k, long i) {
    return along_k ? (p + i) * s->p_stride + k : p + (k + i) * s->k_stride;
}

/// Rows [k, k + 8) of the panel whose first row or column of the operand is p.
///
/// Whole vectors are stored, also those of a panel of 6: what they store too much belongs to the panel's next row, which comes after
/// it. Only the last row's would be another panel's.
INLINE_AVX2 void pack_eight(
    float *base, const apus_pack_t *s, const long panel, const apus_dtype_t dtype, const int along_k, long p, long k) {
    const long k_left = s->k_count - k;
#pragma clang loop unroll(full)
    for (long h = 0; h < panel; h += 8) {
        // Loads across k may take whole vectors of a panel of 6, too.
        const long left = s->p_count - p - h, valid = left < 0 ? 0 : left < 8 ? left : 8;
        const long used = along_k ? valid : k_left, count = along_k ? k_left : valid;
        __m256 v[8];
        if (used >= 8 && count >= 8) {
#pragma clang loop unroll(full)
            for (int i = 0; i < 8; i++) v[i] = load_some(s->data, dtype, eight_at(s, along_k, p + h, k, i), 8);
        } else {
            for (int i = 0; i < 8; i++) {
                v[i] = i < used ? load_some(s->data, dtype, eight_at(s, along_k, p + h, k, i), count) : _mm256_setzero_ps();
            }
        }
        if (along_k) transpose(v);
        float *to = base + k * panel + h;
        if (k_left > 8) {
#pragma clang loop unroll(full)
            for (int i = 0; i < 8; i++) _mm256_storeu_ps(to + i * panel, v[i]);
        } else {
            for (int i = 0; i < k_left - 1; i++) _mm256_storeu_ps(to + i * panel, v[i]);
            memcpy(to + (k_left - 1) * panel, &v[k_left - 1], (size_t)(panel < 8 ? panel : 8) * 4);
        }
    }
}

/// Memory is read in its own order, so that every line is asked for once: along k panel by panel, across k row by row.
INLINE_AVX2 void pack(void *panels, const apus_pack_t *s, const long panel, const apus_dtype_t dtype) {
    const long rows = s->k_padded;
    if (s->k_stride == 1) {
        for (long p = 0; p < s->p_count; p += panel) {
            for (long k = 0; k < rows; k += 8) pack_eight((float *)panels + p * rows, s, panel, dtype, 1, p, k);
        }
    } else {
        for (long k = 0; k < rows; k += 8) {
            for (long p = 0; p < s->p_count; p += panel) pack_eight((float *)panels + p * rows, s, panel, dtype, 0, p, k);
        }
    }
}

TARGET_AVX2 static void pack_a(void *panels, const apus_pack_t *source) {
    if (source->dtype == APUS_F32) {
        pack(panels, source, MR, APUS_F32);
    } else {
        pack(panels, source, MR, APUS_BF16);
    }
}

TARGET_AVX2 static void pack_b(void *panels, const apus_pack_t *source) {
    if (source->dtype == APUS_F32) {
        pack(panels, source, NR, APUS_F32);
    } else {
        pack(panels, source, NR, APUS_BF16);
    }
}

APUS_PLAIN_COPIES TARGET_AVX2 static void finish(
    const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width) {
    // Constants make the loops over whole rows straight vector code.
    if (columns == NR && width == NR) {
        apus_finish_tile(g, sums, i, j, rows, NR, tile, NR);
    } else {
        apus_finish_tile(g, sums, i, j, rows, columns, tile, width);
    }
}

const apus_kernels_t apus_kernels_avx2 = {
    .mr = MR, .nr = NR, .k_step = K_STEP, .element = 4, .a_row = 4, .a_step = MR * 4, .step_in_place = 4, .kc = 384,
    .kc_in_place = 1024, .a_bytes = 256 << 10, .b_bytes = 1600 << 10, .adds = 1, .pack_a = pack_a, .pack_b = pack_b,
    .multiply = multiply, .finish = finish};

// MARK: Few rows, column sums

INLINE_AVX2 float add_lanes(__m256 v) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

INLINE_AVX2 void store_lane_sums(float *to, const __m256 v[8]) { _mm256_storeu_ps(to, apus_lane_sums_256(v)); }

INLINE_AVX2 __m256i load_operands(const char *from) { return _mm256_loadu_si256((const __m256i *)from); }

INLINE_AVX2 __m256i load_bytes(const char *from, long count) {
    _Alignas(32) char some[32] = {0};
    memcpy(some, from, (size_t)count);
    return load_operands(some);
}

INLINE_AVX2 __m256 dot_floats(__m256 sums, __m256i x, __m256i w) {
    return _mm256_fmadd_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(w), sums);
}

/// A shift widens the even elements and a mask the odd ones; in order they would have to cross lanes first.
INLINE_AVX2 __m256 dot_pairs(__m256 sums, __m256i x, __m256i w) {
    const __m256i high = _mm256_set1_epi32((int)0xffff0000u);
    sums = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(w, 16)), sums);
    return _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(x, high)), _mm256_castsi256_ps(_mm256_and_si256(w, high)), sums);
}

#define SMALL(name) floats_##name
#define TARGET TARGET_AVX2
#define UNIT 8
#define SIZE 4
#define operands_t __m256i
#define sums_t __m256
#define LOAD(from) load_operands(from)
#define LOAD_SOME(from, count) load_bytes(from, 4 * (count))
#define DOT(sums, x, w) dot_floats(sums, x, w)
#define ZERO _mm256_setzero_ps()
#define ADD(sums) add_lanes(sums)
#define EACH 8
#define ADD_EACH(to, v) store_lane_sums(to, v)
#define FEW_COLUMNS 4
#define FINISH finish
#include "matmul_small_simd.h"

#define SMALL(name) pairs_##name
#define TARGET TARGET_AVX2
#define UNIT 16
#define SIZE 2
#define operands_t __m256i
#define sums_t __m256
#define LOAD(from) load_operands(from)
#define LOAD_SOME(from, count) load_bytes(from, 2 * (count))
#define DOT(sums, x, w) dot_pairs(sums, x, w)
#define ZERO _mm256_setzero_ps()
#define ADD(sums) add_lanes(sums)
#define EACH 8
#define ADD_EACH(to, v) store_lane_sums(to, v)
#define FEW_COLUMNS 4
#define FINISH finish
#include "matmul_small_simd.h"

static void small(const apus_gemm_t *g, long begin, long end) {
    if (g->dtype == APUS_F32) {
        floats_product(g, begin, end);
    } else {
        pairs_product(g, begin, end);
    }
}

TARGET_AVX2 static void add_columns(
    float *sums, const void *x, apus_dtype_t dtype, long rows, long stride, long begin, long end) {
    apus_add_columns(sums, x, dtype, rows, stride, begin, end);
}

const apus_helpers_t apus_helpers_avx2 = {.small = small, .add_columns = add_columns};
#endif
