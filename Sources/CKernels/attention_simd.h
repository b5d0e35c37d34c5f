// SPDX-License-Identifier: MIT
// Attention by tiles of TILE queries and TILE keys; see simd.h. Weights lie as p[key][query]: queries are the vectors'
// lanes, so that the softmax over keys needs no sum across a vector.
//
// Source: Dao, Fu, Ermon, Rudra, Re, FlashAttention, NeurIPS 2022, algorithms 1 and 2; Dao, FlashAttention-2, 2023.
//
// Weights are powers of 2: 2^(score * factor - largest), the factor being scale * log2 e.
#include "attention_gemm_simd.h"

#include "attention_rows_simd.h"

/// One tile's step of the online softmax: scores become weights relative to the new maximum; returns by `shrink` what the
/// sums so far must be multiplied by.
static void FN(softmax_tile)(
    float *p, long keys, long ahead, float *max, float *sum, float *shrink, const uint32_t *keep, float scale) {
    for (long q = 0; q < TILE; q += W) {
        const vf before = vload(max + q);
        vf largest = before, second = before;
        if (ahead + keys > q + 1) {
            for (long j = 0; j < keys; j++) vstore(p + j * TILE + q, FN(masked)(vload(p + j * TILE + q), q, j, ahead));
        }
        for (long j = 0; j + 1 < keys; j += 2) {
            largest = vmax(largest, vload(p + j * TILE + q));
            second = vmax(second, vload(p + (j + 1) * TILE + q));
        }
        largest = vmax(largest, vmax(second, vload(p + (keys - 1) * TILE + q)));
        const vf base = largest, scaled = base * vset(scale);
        const vf factor = FN(exp2)(vfms(before, vset(scale), scaled));
        vf total = vload(sum + q) * factor;
        for (long j = 0; j < keys; j++) {
            vf weight = FN(exp2)(vfms(vload(p + j * TILE + q), vset(scale), scaled));
            total += weight;
            if (keep != NULL) weight = FN(where_bit)(keep + (j / 32) * TILE + q, (int)(j % 32), weight);
            vstore(p + j * TILE + q, weight);
        }
        vstore(max + q, base);
        vstore(sum + q, total);
        vstore(shrink + q, factor);
    }
}

/// One tile of queries against all keys they see. rows: the head's keys and values, loaded before; NULL: loaded tile by tile.
static void FN(forward_queries)(
    const attention_args_t *args, head_t head, long t0, char *scratch, const head_rows_t *rows) {
    const apus_attention_t *shape = &args->shape;
    const long size = shape->head_size, padded = apus_padded(size), offset = shape->key_length - shape->query_length;
    const long queries = shape->query_length - t0 < TILE ? shape->query_length - t0 : TILE;
    forward_scratch_t s = apus_forward_scratch(scratch, size);
    uint32_t *keep = shape->dropout.threshold != 0 ? s.keep : NULL;
    const float scale = shape->scale * LOG2_E;
    FN(load_rows)(s.out, args->q, shape, head, t0, queries, padded);
    FN(transpose)(s.q, s.out, padded, size);
    memset(s.out, 0, sizeof(float) * (size_t)(TILE * padded));
    for (long q = 0; q < TILE; q++) s.max[q] = LOWEST, s.sum[q] = 0;
    const long visible = offset + t0 + queries;
    for (long s0 = 0; s0 < visible; s0 += TILE) {
        const long keys = visible - s0 < TILE ? visible - s0 : TILE;
        const tile_rows_t tile = FN(load_keys)(args, head, s0, keys, rows, s.k, s.v);
        if (rows == NULL) {
            FN(prefetch_rows)(args->k, shape, head, s0 + keys, FN(at_most_tile)(visible - s0 - keys));
            FN(prefetch_rows)(args->v, shape, head, s0 + keys, FN(at_most_tile)(visible - s0 - keys));
        }
        FN(product)((FN(product_t)){tile.k, padded, 1, s.q, TILE, s.p, TILE}, keys, TILE, size, 0);
        if (keep != NULL) FN(load_keep)(keep, args, head, t0, queries, s0, keys);
        FN(softmax_tile)(s.p, keys, s0 - offset - t0, s.max, s.sum, s.shrink, keep, scale);
        if (s0 > 0) FN(scale_rows)(s.out, queries, padded, s.shrink);
        FN(product)((FN(product_t)){s.p, 1, TILE, tile.v, padded, s.out, padded}, queries, padded, keys, 1);
    }
    const float kept = keep != NULL ? shape->dropout.scale : 1;
    for (long q = 0; q < queries; q++) {
        void *out = apus_token(args->out, shape->dtype, head, t0 + q);
        FN(store_row)(out, shape->dtype, s.out + q * padded, size, kept / s.sum[q]);
        if (args->lse != NULL) *apus_lse(args, head, t0 + q) = s.max[q] * shape->scale + logf(s.sum[q]);
    }
}

static void FN(forward_tile)(const attention_args_t *args, head_t head, long t0, char *scratch) {
    FN(forward_queries)(args, head, t0, scratch, NULL);
}

/// A whole head whose keys and values fit into the scratch memory.
static void FN(forward_head)(const attention_args_t *args, head_t head, char *scratch) {
    pieces_t memory = {.base = scratch};
    head_rows_t rows = apus_head_rows(&memory, &args->shape);
    FN(load_head)(args, head, &rows);
    char *rest = memory.base + memory.used;
    for (long t0 = 0; t0 < args->shape.query_length; t0 += TILE) FN(forward_queries)(args, head, t0, rest, &rows);
}

#include "attention_backward_simd.h"
#include "attention_decode_simd.h"
