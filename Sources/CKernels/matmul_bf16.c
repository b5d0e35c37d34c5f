// SPDX-License-Identifier: MIT
// AVX-512 BF16: tiles of 14 x 32 whose step of k multiplies pairs (vdpbf16ps) and adds in float32.
#include "matmul_internal.h"

#if defined(__x86_64__)
#include "matmul_x86_512.h"

#define APUS_TARGET_BF16 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define APUS_INLINE_BF16 \
    static inline __attribute__((always_inline, target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

enum { MR = 14, NR = 32 };

APUS_INLINE_BF16 void multiply_rows(const int rows, long k, const uint32_t *a, const uint32_t *b, float *tile) {
    __m512 sums[MR][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = _mm512_setzero_ps();
#pragma clang loop unroll(disable)
    for (; k > 0; k -= 2, a += MR, b += NR) {
        const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + 16);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const __m512bh ar = (__m512bh)_mm512_set1_epi32((int)a[r]);
            sums[r][0] = _mm512_dpbf16_ps(sums[r][0], ar, b0);
            sums[r][1] = _mm512_dpbf16_ps(sums[r][1], ar, b1);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        _mm512_storeu_ps(tile + r * NR, sums[r][0]);
        _mm512_storeu_ps(tile + r * NR + 16, sums[r][1]);
    }
}

#define APUS_ROWS_CASE(N) \
    case N: multiply_rows(N, k, a, b, tile); break;

APUS_TARGET_BF16 static void multiply(long rows, long k, const void *a, const void *b, float *tile) {
    switch (rows) {
        APUS_ROWS_CASE(1) APUS_ROWS_CASE(2) APUS_ROWS_CASE(3) APUS_ROWS_CASE(4) APUS_ROWS_CASE(5) APUS_ROWS_CASE(6)
        APUS_ROWS_CASE(7) APUS_ROWS_CASE(8) APUS_ROWS_CASE(9) APUS_ROWS_CASE(10) APUS_ROWS_CASE(11) APUS_ROWS_CASE(12)
        APUS_ROWS_CASE(13)
        default: multiply_rows(MR, k, a, b, tile); break;
    }
}

APUS_TARGET_BF16 static void pack_a(void *panels, const apus_pack_t *source) {
    apus_pack_512(panels, source, MR, APUS_UNIT_PAIR, 0);
}

APUS_TARGET_BF16 static void pack_b(void *panels, const apus_pack_t *source) {
    apus_pack_512(panels, source, NR, APUS_UNIT_PAIR, 0);
}

APUS_PLAIN_COPIES APUS_TARGET_BF16 static void finish(
    const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width) {
    // Constants make the loops over whole rows straight vector code.
    if (columns == NR && width == NR) {
        apus_finish_tile(g, sums, i, j, rows, NR, tile, NR);
    } else {
        apus_finish_tile(g, sums, i, j, rows, columns, tile, width);
    }
}

const apus_kernels_t apus_kernels_bf16 = {
    .mr = MR, .nr = NR, .k_step = 2, .element = 2, .kc = 768, .pack_a = pack_a, .pack_b = pack_b, .multiply = multiply,
    .finish = finish};

// MARK: Few rows

APUS_INLINE_BF16 __m512i load(const char *from) { return _mm512_loadu_si512(from); }

APUS_INLINE_BF16 __m512i load_some(const char *from, long count) {
    return _mm512_maskz_loadu_epi16((__mmask32)apus_mask(count, 32), from);
}

APUS_INLINE_BF16 __m512 dot(__m512 sums, __m512i x, __m512i w) { return _mm512_dpbf16_ps(sums, (__m512bh)x, (__m512bh)w); }

#define SMALL(name) pairs_##name
#define TARGET APUS_TARGET_BF16
#define UNIT 32
#define SIZE 2
#define operands_t __m512i
#define sums_t __m512
#define LOAD(from) load(from)
#define LOAD_SOME(from, count) load_some(from, count)
#define DOT(sums, x, w) dot(sums, x, w)
#define ZERO _mm512_setzero_ps()
#define ADD(sums) _mm512_reduce_add_ps(sums)
#define EACH 16
#define ADD_EACH(to, v) apus_store_lane_sums(to, v)
#define FEW_COLUMNS 4
#define FINISH finish
#include "matmul_small_simd.h"

static void small(const apus_gemm_t *g, long begin, long end) {
    if (g->dtype == APUS_F32) {
        apus_helpers_avx512.small(g, begin, end);
    } else {
        pairs_product(g, begin, end);
    }
}

APUS_TARGET_BF16 static void add_columns(
    float *sums, const void *x, apus_dtype_t dtype, long rows, long stride, long begin, long end) {
    apus_add_columns(sums, x, dtype, rows, stride, begin, end);
}

const apus_helpers_t apus_helpers_bf16 = {.small = small, .add_columns = add_columns};
#endif
