// SPDX-License-Identifier: MIT
// From accumulated products to the result in memory: partial sums, bias, activation, residual, rounding.
//
// Written once in plain C and inlined into a function of each instruction set, where the loops become vector code.
#ifndef APUS_MATMUL_FINISH_H
#define APUS_MATMUL_FINISH_H

#include <stdint.h>

#include "apus_matmul.h"
#include "bfloat16.h"
#include "matmul_math.h"

/// bfloat16 of a value by arithmetic alone (`apus_to_bf16` has a branch for NaN, this a selection).
APUS_INLINE uint16_t apus_round_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)(value != value ? (bits >> 16 | 0x40u) : rounded);
}

APUS_INLINE float apus_widen_bf16(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

APUS_INLINE void apus_store_row(void *to, apus_dtype_t dtype, long at, const float *restrict v, long count) {
    if (dtype == APUS_F32) {
        float *restrict out = (float *)to + at;
        for (long j = 0; j < count; j++) out[j] = v[j];
    } else {
        uint16_t *restrict out = (uint16_t *)to + at;
        for (long j = 0; j < count; j++) out[j] = apus_round_bf16(v[j]);
    }
}

APUS_INLINE void apus_activate_row(apus_activation_t activation, float *v, long count) {
    if (activation == APUS_ACTIVATION_GELU) {
        for (long j = 0; j < count; j++) v[j] = apus_gelu(v[j]);
    } else {
        for (long j = 0; j < count; j++) v[j] = apus_gelu_tanh(v[j]);
    }
}

/// v *= activation'(x)
APUS_INLINE void apus_derive_row(
    apus_activation_t activation, const void *x, apus_dtype_t dtype, long at, float *v, float *wide, long count) {
    if (dtype == APUS_F32) {
        for (long j = 0; j < count; j++) wide[j] = ((const float *)x)[at + j];
    } else {
        for (long j = 0; j < count; j++) wide[j] = apus_widen_bf16(((const uint16_t *)x)[at + j]);
    }
    if (activation == APUS_ACTIVATION_GELU) {
        for (long j = 0; j < count; j++) v[j] *= apus_gelu_derivative(wide[j]);
    } else {
        for (long j = 0; j < count; j++) v[j] *= apus_gelu_tanh_derivative(wide[j]);
    }
}

/// For the functions that finish tiles: a row of a tile is too short to call memcpy for.
#define APUS_PLAIN_COPIES __attribute__((no_builtin("memcpy")))

enum { APUS_FINISH_COLUMNS = 64 };  // the widest row that `apus_finish_row` takes

/// Stores `count` products v of row i from column j on; v is overwritten.
APUS_INLINE void apus_finish_row(const apus_gemm_t *g, long i, long j, float *restrict v, long count) {
    const long at = i * g->c_stride + j;
    if (g->accumulate) {
        float *restrict c = (float *)g->c + at;
        for (long l = 0; l < count; l++) c[l] += v[l];
        return;
    }
    if (g->bias != NULL) {
        const float *restrict bias = g->bias + j;
        for (long l = 0; l < count; l++) v[l] += bias[l];
    }
    if (g->epilogue.activation != APUS_ACTIVATION_NONE) {
        // The activation is taken of the preactivation as stored, so that recomputing it later gives the same.
        if (g->dtype == APUS_BF16) {
            for (long l = 0; l < count; l++) v[l] = apus_widen_bf16(apus_round_bf16(v[l]));
        }
        if (g->epilogue.preactivation != NULL) apus_store_row(g->epilogue.preactivation, g->dtype, at, v, count);
        apus_activate_row(g->epilogue.activation, v, count);
    }
    if (g->derivative != APUS_ACTIVATION_NONE) {
        float wide[APUS_FINISH_COLUMNS];
        apus_derive_row(g->derivative, g->derivative_at, g->dtype, at, v, wide, count);
    }
    if (g->epilogue.residual != NULL) {
        const float *restrict residual = g->epilogue.residual + at;  // c itself, perhaps: v lies between
        for (long l = 0; l < count; l++) v[l] += residual[l];
    }
    apus_store_row(g->c, g->c_dtype, at, v, count);
}

/// Where a tile's sums stand: products over all of k come in several blocks when k is long.
typedef struct {
    float *partial;  ///< sums so far of the tile's first element; NULL: the tile is the whole sum, or c collects
    long stride;
    int first, last;  ///< block of k
} apus_partial_t;

/// Finishes `rows` x `columns` of a tile whose row stride is `width`, c's element (i, j) being its first.
APUS_INLINE void apus_finish_tile(
    const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width) {
    for (long r = 0; r < rows; r++) {
        float *restrict v = tile + r * width;
        if (sums.partial != NULL) {
            float *restrict partial = sums.partial + r * sums.stride;
            if (!sums.first) {
                for (long l = 0; l < columns; l++) v[l] += partial[l];
            }
            if (!sums.last) {
                for (long l = 0; l < columns; l++) partial[l] = v[l];
                continue;
            }
        }
        apus_finish_row(g, i + r, j, v, columns);
    }
}

/// sums[j] += column sums of `rows` rows of x, columns [begin, end). Blocks of rows keep the float32 sums short.
APUS_INLINE void apus_add_columns(
    float *sums, const void *x, apus_dtype_t dtype, long rows, long stride, long begin, long end) {
    enum { WIDTH = 256, BLOCK = 64 };
    for (long j = begin; j < end; j += WIDTH) {
        const long count = end - j < WIDTH ? end - j : WIDTH;
        float total[WIDTH] = {0};
        for (long r0 = 0; r0 < rows; r0 += BLOCK) {
            float sum[WIDTH] = {0};
            for (long r = r0; r < rows && r < r0 + BLOCK; r++) {
                if (dtype == APUS_F32) {
                    const float *row = (const float *)x + r * stride + j;
                    for (long l = 0; l < count; l++) sum[l] += row[l];
                } else {
                    const uint16_t *row = (const uint16_t *)x + r * stride + j;
                    for (long l = 0; l < count; l++) sum[l] += apus_widen_bf16(row[l]);
                }
            }
            for (long l = 0; l < count; l++) total[l] += sum[l];
        }
        for (long l = 0; l < count; l++) sums[j + l] += total[l];
    }
}

#endif
