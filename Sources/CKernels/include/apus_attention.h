// SPDX-License-Identifier: MIT
// Causal softmax attention by tiles: scores and weights exist for one tile at a time, never T x T.
#ifndef APUS_ATTENTION_H
#define APUS_ATTENTION_H

#include <stddef.h>

#include "apus_isa.h"
#include "apus_ops.h"
#include "apus_pool.h"
#include "apus_types.h"

/// A strided [B, T, NH, HS]: element (b, t, h, i) at data[b * batch_stride + t * token_stride + h * head_stride + i].
typedef struct {
    void *data;
    long batch_stride;
    long token_stride;
    long head_stride;
} apus_heads_t;

/// `query_length` new tokens at the end of `key_length`: query t sees keys 0 ... key_length - query_length + t.
typedef struct {
    long batch, query_length, key_length, heads, head_size;
    float scale;               ///< multiplies the scores
    apus_dtype_t dtype;        ///< of q, k, v, out and their gradients
    apus_dropout_t dropout;    ///< of the softmax's weights; threshold 0: none. Element (h * T + t) * T + s of sample b
                               ///< with T = key_length and t = key_length - query_length + query
} apus_attention_t;

/// The largest head size that the kernels take.
#define APUS_ATTENTION_LARGEST_HEAD 65536

/// Bytes that each thread of the pool needs as `scratch`, whatever the head size. It holds nothing between calls.
size_t apus_attention_scratch(void);

/// out = softmax(scale * q k^T, causal) v; lse [B, NH, query_length] float32 or NULL: log of the softmax's denominator,
/// maximum included.
///
/// scratch: `apus_attention_scratch` bytes for each thread, one after the other, aligned to 64.
void apus_attention_forward(
    apus_pool_t *pool, apus_isa_t isa, const apus_attention_t *attention, apus_heads_t out, float *lse, apus_heads_t q,
    apus_heads_t k, apus_heads_t v, void *scratch);

/// Writes dq, dk and dv. workspace: `apus_attention_backward_workspace` bytes, aligned to 64.
///
/// Results do not depend on the number of threads.
void apus_attention_backward(
    apus_pool_t *pool, apus_isa_t isa, const apus_attention_t *attention, apus_heads_t dq, apus_heads_t dk, apus_heads_t dv,
    apus_heads_t dout, apus_heads_t out, const float *lse, apus_heads_t q, apus_heads_t k, apus_heads_t v, void *scratch,
    void *workspace);
size_t apus_attention_backward_workspace(const apus_attention_t *attention, int threads);

/// Copies [batch, tokens, heads, head_size] between two views of one dtype that do not overlap.
void apus_copy_heads(
    apus_pool_t *pool, apus_heads_t to, apus_heads_t from, apus_dtype_t dtype, long batch, long tokens, long heads,
    long head_size);

#endif
