// SPDX-License-Identifier: MIT
// AVX-512 without bfloat16 instructions: float32 tiles of 14 x 32; bfloat16 operands are widened when packed.
#include "matmul_internal.h"

#if defined(__x86_64__)
#include "matmul_x86_512.h"

// 28 of the 32 registers hold sums; a step of k takes two vectors of b and 14 broadcasts of a for 28 multiply-adds.
#define APUS_TILE_ROWS 14
enum { MR = APUS_TILE_ROWS, LANES = 16, K_STEP = 1 };
#define TILE_TARGET APUS_TARGET_512
#define TILE_INLINE APUS_INLINE_512
#define TILE_UNROLL 1
#define sums_t __m512
#define operand_t __m512
#define ZERO _mm512_setzero_ps()
#define LOAD_SUMS(from) _mm512_loadu_ps(from)
#define ADD_SUMS(a, b) _mm512_add_ps(a, b)
#define STORE_SUMS(to, v) _mm512_storeu_ps(to, v)
#define LOAD(from) _mm512_loadu_ps(from)
#define BROADCAST(from) _mm512_set1_ps(*(const float *)(from))
#define DOT(sums, a, b) _mm512_fmadd_ps(a, b, sums)
#include "matmul_tile_simd.h"

APUS_TARGET_512 static void pack_a(void *panels, const apus_pack_t *source) {
    if (source->dtype == APUS_F32) {
        apus_pack_512(panels, source, MR, APUS_UNIT_F32, 0);
    } else {
        apus_pack_512(panels, source, MR, APUS_UNIT_WIDENED, 0);
    }
}

APUS_TARGET_512 static void pack_b(void *panels, const apus_pack_t *source) {
    if (source->dtype == APUS_F32) {
        apus_pack_512(panels, source, NR, APUS_UNIT_F32, 0);
    } else {
        apus_pack_512(panels, source, NR, APUS_UNIT_WIDENED, 0);
    }
}

APUS_PLAIN_COPIES APUS_TARGET_512 static void finish(
    const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width) {
    // Constants make the loops over whole rows straight vector code.
    if (columns == NR && width == NR) {
        apus_finish_tile(g, sums, i, j, rows, NR, tile, NR);
    } else {
        apus_finish_tile(g, sums, i, j, rows, columns, tile, width);
    }
}

const apus_kernels_t apus_kernels_avx512 = {
    .mr = MR, .nr = NR, .k_step = K_STEP, .element = 4, .a_row = 4, .a_step = MR * 4, .step_in_place = 4, .kc = 512,
    .kc_in_place = 2048, .a_bytes = 512 << 10, .b_bytes = 3072 << 10, .adds = 1, .pack_a = pack_a, .pack_b = pack_b,
    .multiply = multiply, .finish = finish};

// MARK: Few rows, column sums

APUS_INLINE_512 __m512i load_f32(const char *from) { return _mm512_loadu_si512(from); }

APUS_INLINE_512 __m512i load_some_f32(const char *from, long count) {
    return _mm512_maskz_loadu_epi32((__mmask16)apus_mask(count, 16), from);
}

APUS_INLINE_512 __m512i widen(__m256i narrow) { return _mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16); }

APUS_INLINE_512 __m512i load_bf16(const char *from) { return widen(_mm256_loadu_si256((const __m256i *)from)); }

APUS_INLINE_512 __m512i load_some_bf16(const char *from, long count) {
    return widen(_mm256_maskz_loadu_epi16((__mmask16)apus_mask(count, 16), from));
}

APUS_INLINE_512 __m512 dot(__m512 sums, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), sums);
}

#define SMALL(name) f32_##name
#define TARGET APUS_TARGET_512
#define UNIT 16
#define SIZE 4
#define operands_t __m512i
#define sums_t __m512
#define LOAD(from) load_f32(from)
#define LOAD_SOME(from, count) load_some_f32(from, count)
#define DOT(sums, x, w) dot(sums, x, w)
#define ZERO _mm512_setzero_ps()
#define ADD(sums) _mm512_reduce_add_ps(sums)
#define EACH 16
#define ADD_EACH(to, v) apus_store_lane_sums(to, v)
#define FEW_COLUMNS 4
#define FINISH finish
#include "matmul_small_simd.h"

#define SMALL(name) widened_##name
#define TARGET APUS_TARGET_512
#define UNIT 16
#define SIZE 2
#define operands_t __m512i
#define sums_t __m512
#define LOAD(from) load_bf16(from)
#define LOAD_SOME(from, count) load_some_bf16(from, count)
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
        f32_product(g, begin, end);
    } else {
        widened_product(g, begin, end);
    }
}

APUS_TARGET_512 static void add_columns(
    float *sums, const void *x, apus_dtype_t dtype, long rows, long stride, long begin, long end) {
    apus_add_columns(sums, x, dtype, rows, stride, begin, end);
}

const apus_helpers_t apus_helpers_avx512 = {.small = small, .add_columns = add_columns};
#endif
