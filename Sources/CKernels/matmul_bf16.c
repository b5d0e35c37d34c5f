// SPDX-License-Identifier: MIT
// AVX-512 BF16: tiles of 14 x 32 whose step of k multiplies pairs (vdpbf16ps) and adds in float32.
#include "matmul_internal.h"

#if defined(__x86_64__)
#include "matmul_x86_512.h"

#define APUS_TARGET_BF16 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define APUS_INLINE_BF16 \
    static inline __attribute__((always_inline, target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

/// Two neighbours, of any alignment.
APUS_INLINE_BF16 int load_pair(const char *from) {
    int pair;
    memcpy(&pair, from, 4);
    return pair;
}

#define APUS_TILE_ROWS 14
enum { MR = APUS_TILE_ROWS, LANES = 16, K_STEP = 2 };
#define TILE_TARGET APUS_TARGET_BF16
#define TILE_INLINE APUS_INLINE_BF16
#define TILE_UNROLL 1
#define sums_t __m512
#define operand_t __m512bh
#define ZERO _mm512_setzero_ps()
#define LOAD_SUMS(from) _mm512_loadu_ps(from)
#define ADD_SUMS(a, b) _mm512_add_ps(a, b)
#define STORE_SUMS(to, v) _mm512_storeu_ps(to, v)
#define LOAD(from) (__m512bh)_mm512_loadu_si512(from)
#define BROADCAST(from) (__m512bh)_mm512_set1_epi32(load_pair(from))
#define DOT(sums, a, b) _mm512_dpbf16_ps(sums, a, b)
#include "matmul_tile_simd.h"

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
    .mr = MR, .nr = NR, .k_step = K_STEP, .element = 2, .a_row = 4, .a_step = MR * 4, .step_in_place = 4, .kc = 1024,
    .kc_in_place = 4096, .a_bytes = 512 << 10, .b_bytes = 3072 << 10, .adds = 1, .pack_a = pack_a, .pack_b = pack_b,
    .multiply = multiply, .finish = finish};

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
