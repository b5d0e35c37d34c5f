// SPDX-License-Identifier: MIT
// Embedding, norm, activation, dropout and element-wise operations of a GPT.
//
// Letters: R rows (one a token), C width, V vocabulary rows. Arrays are dense and row-major. "act" is float32 or
// bfloat16, said by the dtype argument beside it; bfloat16 results are rounded to nearest even. Results depend on the
// operands and the instruction set alone: not on the number of threads, and not on timing. Nothing allocates.
#ifndef APUS_OPS_H
#define APUS_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "apus_isa.h"
#include "apus_pool.h"
#include "apus_types.h"

/// Sets bytes to zero with all threads.
void apus_fill_zero(apus_pool_t *pool, apus_isa_t isa, void *out, size_t bytes);
/// Copies bytes with all threads; the two ranges do not overlap.
void apus_copy(apus_pool_t *pool, apus_isa_t isa, void *out, const void *in, size_t bytes);
/// Converts `count` elements between float32 and bfloat16 (nearest even; NaN stays NaN).
void apus_convert(
    apus_pool_t *pool, apus_isa_t isa, void *out, apus_dtype_t out_dtype, const void *in, apus_dtype_t in_dtype, long count);

/// out[r] = wte[tokens[r]] + wpe[positions[r]], all float32 of width C. Indices are the caller's contract.
void apus_embedding_forward(
    apus_pool_t *pool, apus_isa_t isa, float *out, const int32_t *tokens, const int32_t *positions, const float *wte,
    const float *wpe, long rows, long width);
/// dwte[tokens[r]] += dout[r] and dwpe[positions[r]] += dout[r], each row of the tables summed in the order of r.
void apus_embedding_backward(
    apus_pool_t *pool, apus_isa_t isa, float *dwte, float *dwpe, const float *dout, const int32_t *tokens,
    const int32_t *positions, long rows, long width);

/// out = (x - mean) * rstd * weight + bias, rstd = 1 / sqrt(variance + 1e-5); variance is the biased one.
///
/// out: act [R, C]. mean, rstd: float32 [R], written. x: float32 [R, C]. weight, bias: float32 [C]; bias may be NULL.
void apus_layernorm_forward(
    apus_pool_t *pool, apus_isa_t isa, void *out, apus_dtype_t out_dtype, float *mean, float *rstd, const float *x,
    const float *weight, const float *bias, long rows, long width);
/// Adds to dx (float32 [R, C]), dweight and dbias (float32 [C]; dbias may be NULL). dout: act [R, C].
///
/// workspace: `apus_layernorm_backward_workspace` bytes, aligned to 4: sums over fixed blocks of rows, added in order.
void apus_layernorm_backward(
    apus_pool_t *pool, apus_isa_t isa, float *dx, float *dweight, float *dbias, const void *dout, apus_dtype_t dout_dtype,
    const float *x, const float *weight, const float *mean, const float *rstd, long rows, long width, void *workspace);
size_t apus_layernorm_backward_workspace(long rows, long width);

/// out = activation(x), `count` elements of one dtype; out may be x.
void apus_activation_forward(
    apus_pool_t *pool, apus_isa_t isa, void *out, const void *x, apus_dtype_t dtype, apus_activation_t activation, long count);
/// dx = dout * activation'(x); dx may be dout.
void apus_activation_backward(
    apus_pool_t *pool, apus_isa_t isa, void *dx, const void *dout, const void *x, apus_dtype_t dtype,
    apus_activation_t activation, long count);

/// A dropout mask: element e of sample s is dropped when Philox4x32-10 with key (seed low, seed high) and counter
/// (e / 4, site, s low, s high) gives in word e % 4 a number below `threshold`; the others are multiplied by `scale`.
/// A threshold of 0 drops nothing.
typedef struct {
    uint64_t seed;
    uint32_t site;
    uint32_t threshold;     ///< probability x 2^32, rounded up
    float scale;            ///< 1 / (1 - probability)
    uint64_t first_sample;  ///< of the micro-batch's first sample
} apus_dropout_t;

/// One block of Philox4x32-10: four random words.
/// Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
void apus_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

/// x = x * mask in place. The `count` elements are samples of `sample_size` elements each, one after the other.
void apus_dropout(
    apus_pool_t *pool, apus_isa_t isa, void *x, apus_dtype_t dtype, long count, long sample_size, apus_dropout_t dropout);

/// out = a + b; out and a float32 (out may be a), b of `b_dtype`.
void apus_residual_add(
    apus_pool_t *pool, apus_isa_t isa, float *out, const float *a, const void *b, apus_dtype_t b_dtype, long count);

#endif
