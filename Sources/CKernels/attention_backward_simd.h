// SPDX-License-Identifier: MIT
// The backward of attention by tiles; part of attention_simd.h.
//
// With p the softmax's weights, m dropout's factors and D = sum of dout * out over a query's row:
// dv = (m p)^T dout, dp = m (dout v^T), ds = p (dp - D), dq = scale ds k, dk = scale ds^T q.

/// What the products of a tile of queries need: q and dout as rows and transposed, D and lse.
static void FN(load_queries)(const attention_args_t *args, head_t head, long t0, long queries, backward_scratch_t s) {
    const apus_attention_t *shape = &args->shape;
    const long size = shape->head_size, padded = apus_padded(size);
    FN(load_rows)(s.q, args->q, shape, head, t0, queries, padded);
    FN(transpose)(s.q_columns, s.q, padded, size);
    FN(load_rows)(s.dout, args->dout, shape, head, t0, queries, padded);
    FN(transpose)(s.dout_columns, s.dout, padded, size);
    for (long q = 0; q < TILE; q++) s.d[q] = s.lse[q] = 0;
    FN(load_rows)(s.dq, args->out, shape, head, t0, queries, padded);  // dq is not in use yet
    for (long q = 0; q < queries; q++) {
        vf sum = vset(0);
        for (long i = 0; i < padded; i += W) sum = vfma(vload(s.dq + q * padded + i), vload(s.dout + q * padded + i), sum);
        s.d[q] = FN(sum)(sum);
        s.lse[q] = *apus_lse(args, head, t0 + q) * LOG2_E;
    }
}

/// p: scores become weights (times dropout's factors); ds: products dout v become gradients of scores.
APUS_INLINE void FN(weights_of)(backward_scratch_t s, long keys, long ahead, const uint32_t *keep, float factor, float scale) {
    for (long q = 0; q < TILE; q += W) {
        const vf lse = vload(s.lse + q), d = vload(s.d + q);
        for (long j = 0; j < keys; j++) {
            float *p = s.p + j * TILE + q, *ds = s.ds + j * TILE + q;
            const vf weight = FN(exp2)(vfms(FN(masked)(vload(p), q, j, ahead), vset(factor), lse));
            vf kept = weight, gradient = vload(ds);
            if (keep != NULL) {
                const vf mask = FN(where_bit)(keep + (j / 32) * TILE + q, (int)(j % 32), vset(scale));
                kept = weight * mask;
                gradient = gradient * mask;
            }
            vstore(p, kept);
            vstore(ds, weight * (gradient - d));
        }
    }
}

/// The three cases that cost differently, each without the others' tests. Lanes behind the last query hold weights of
/// nothing, which no sum takes.
static void FN(weights_tile)(backward_scratch_t s, long keys, long ahead, const uint32_t *keep, float factor, float scale) {
    if (keep != NULL) {
        FN(weights_of)(s, keys, ahead, keep, factor, scale);
    } else if (ahead + keys > 1) {
        FN(weights_of)(s, keys, ahead, NULL, factor, 1);
    } else {
        FN(weights_of)(s, keys, -2L * TILE, NULL, factor, 1);
    }
}

/// One tile of queries and one of keys: adds to dq, and to dk and dv (rows [TILE][padded]), where they are not NULL.
static void FN(backward_tile)(
    const attention_args_t *args, head_t head, long t0, long queries, long s0, long keys, backward_scratch_t s,
    const head_rows_t *rows, float *dq, float *dk, float *dv) {
    const apus_attention_t *shape = &args->shape;
    const long size = shape->head_size, padded = apus_padded(size), offset = shape->key_length - shape->query_length;
    uint32_t *keep = shape->dropout.threshold != 0 ? s.keep : NULL;
    const tile_rows_t tile = FN(load_keys)(args, head, s0, keys, rows, s.k, s.v);
    FN(product)((FN(product_t)){tile.k, padded, 1, s.q_columns, TILE, s.p, TILE}, keys, TILE, size, 0);
    FN(product)((FN(product_t)){tile.v, padded, 1, s.dout_columns, TILE, s.ds, TILE}, keys, TILE, size, 0);
    if (keep != NULL) FN(load_keep)(keep, args, head, t0, queries, s0, keys);
    FN(weights_tile)(s, keys, s0 - offset - t0, keep, shape->scale * LOG2_E, shape->dropout.scale);
    if (dq != NULL) FN(product)((FN(product_t)){s.ds, 1, TILE, tile.k, padded, dq, padded}, queries, padded, keys, 1);
    if (dk == NULL) return;
    FN(product)((FN(product_t)){s.p, TILE, 1, s.dout, padded, dv, padded}, keys, padded, queries, 1);
    FN(product)((FN(product_t)){s.ds, TILE, 1, s.q, padded, dk, padded}, keys, padded, queries, 1);
}

#define LOAD_QUERIES FN(load_queries)
#define BACKWARD_TILE FN(backward_tile)
#define LOAD_HEAD FN(load_head)
#include "attention_loops_simd.h"
