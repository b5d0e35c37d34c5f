// SPDX-License-Identifier: MIT
// Attention by tiles of TILE queries and TILE keys; see simd.h. Weights lie as p[key][query]: queries are the vectors'
// lanes, so that the softmax over keys needs no sum across a vector.
//
// Source: Dao, Fu, Ermon, Rudra, Re, FlashAttention, NeurIPS 2022, algorithms 1 and 2; Dao, FlashAttention-2, 2023.
//
// Scores are kept in units of ln 2 (q is multiplied by scale * log2 e), so that weights are powers of 2.
#include "attention_gemm_simd.h"

/// `count` rows of a head, `stride` bytes apart, as floats times a factor: [count][padded], zeros behind each row's end.
APUS_INLINE void FN(load_rows_as)(
    float *to, const char *from, apus_dtype_t dtype, long stride, long count, long size, long padded, float factor) {
    const long whole = size / W * W;
    const int rest = (int)(size - whole);
    for (long r = 0; r < count; r++, to += padded, from += stride) {
        const float *row = (const float *)from;
        const uint16_t *half = (const uint16_t *)from;
        long i = 0;
        for (; i < whole; i += W) vstore(to + i, (dtype == APUS_F32 ? vload(row + i) : FN(load_bf16)(half + i, W)) * vset(factor));
        if (i == padded) continue;
        vstore(to + i, (dtype == APUS_F32 ? FN(load)(row + i, rest) : FN(load_bf16)(half + i, rest)) * vset(factor));
        for (i += W; i < padded; i += W) vstore(to + i, vset(0));
    }
}

APUS_INLINE void FN(store_row)(void *to, apus_dtype_t dtype, const float *from, long size, float factor) {
    for (long i = 0; i < size; i += W) {
        const int n = size - i < W ? (int)(size - i) : W;
        const vf row = vload(from + i) * vset(factor);
        if (dtype == APUS_F32) {
            FN(store)((float *)to + i, row, n);
        } else {
            FN(store_bf16)((uint16_t *)to + i, row, n);
        }
    }
}

/// Tokens [first, first + count) of a head as rows [TILE][padded], zeros behind them.
static void FN(load_rows)(
    float *to, apus_heads_t view, const apus_attention_t *shape, head_t head, long first, long count, long padded, float factor) {
    const char *from = apus_token(view, shape->dtype, head, first);
    const long stride = view.token_stride * apus_size(shape->dtype);
    if (shape->dtype == APUS_F32) {
        FN(load_rows_as)(to, from, APUS_F32, stride, count, shape->head_size, padded, factor);
    } else {
        FN(load_rows_as)(to, from, APUS_BF16, stride, count, shape->head_size, padded, factor);
    }
    if (count < TILE) memset(to + count * padded, 0, sizeof(float) * (size_t)((TILE - count) * padded));
}

/// Rows [TILE][padded] as columns [size][TILE].
static void FN(transpose)(float *to, const float *rows, long padded, long size) {
    for (long i = 0; i < size; i++) {
        for (long r = 0; r < TILE; r++) to[i * TILE + r] = rows[r * padded + i];
    }
}

static const float FN(lane_numbers)[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Scores of one vector of queries and one key; minus infinity where the query does not see the key.
///
/// `ahead` is how many queries of the tile come before the first that sees key 0 of the tile; negative where all see it.
APUS_INLINE vf FN(masked)(vf score, long q, long key, long ahead) {
    if (ahead + key <= q) return score;
    const vf distance = vload(FN(lane_numbers)) - vset((float)(ahead + key - q));
    return FN(negative)(distance, vset(-INFINITY), score);
}

/// The bits of dropout for a tile: word [half][query], bit key % 32.
static void FN(load_keep)(uint32_t *words, const attention_args_t *args, head_t head, long t, long queries, long s, long keys) {
    for (long q = 0; q < queries; q++) {
        const uint64_t bits = apus_attention_keep(args, head, t + q, s, (int)keys);
        words[q] = (uint32_t)bits;
        words[TILE + q] = (uint32_t)(bits >> 32);
    }
}

/// One tile's step of the online softmax: scores become weights relative to the new maximum; returns by `shrink` what the
/// sums so far must be multiplied by.
static void FN(softmax_tile)(float *p, long keys, long ahead, float *max, float *sum, float *shrink, const uint32_t *keep) {
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
        // A maximum of minus infinity (no key of this tile or those before is seen) must not give NaN.
        const vf base = vmax(largest, vset(-1e30f)), factor = FN(exp2)(before - base);
        vf total = vload(sum + q) * factor;
        for (long j = 0; j < keys; j++) {
            vf weight = FN(exp2)(vload(p + j * TILE + q) - base);
            total += weight;
            if (keep != NULL) weight = FN(where_bit)(keep + (j / 32) * TILE + q, (int)(j % 32), weight);
            vstore(p + j * TILE + q, weight);
        }
        vstore(max + q, base);
        vstore(sum + q, total);
        vstore(shrink + q, factor);
    }
}

/// One tile of queries against all keys they see.
static void FN(forward_tile)(const attention_args_t *args, head_t head, long t0, char *scratch) {
    const apus_attention_t *shape = &args->shape;
    const long size = shape->head_size, padded = apus_padded(size), offset = shape->key_length - shape->query_length;
    const long queries = shape->query_length - t0 < TILE ? shape->query_length - t0 : TILE;
    forward_scratch_t s = apus_forward_scratch(scratch, size);
    uint32_t *keep = shape->dropout.threshold != 0 ? s.keep : NULL;
    FN(load_rows)(s.out, args->q, shape, head, t0, queries, padded, shape->scale * LOG2_E);
    FN(transpose)(s.q, s.out, padded, size);
    memset(s.out, 0, sizeof(float) * (size_t)(TILE * padded));
    for (long q = 0; q < TILE; q++) s.max[q] = -INFINITY, s.sum[q] = 0;
    const long visible = offset + t0 + queries;
    for (long s0 = 0; s0 < visible; s0 += TILE) {
        const long keys = visible - s0 < TILE ? visible - s0 : TILE;
        FN(load_rows)(s.k, args->k, shape, head, s0, keys, padded, 1);
        FN(load_rows)(s.v, args->v, shape, head, s0, keys, padded, 1);
        FN(product)((FN(product_t)){s.k, padded, 1, s.q, TILE, s.p, TILE}, keys, TILE, size, 0);
        if (keep != NULL) FN(load_keep)(keep, args, head, t0, queries, s0, keys);
        FN(softmax_tile)(s.p, keys, s0 - offset - t0, s.max, s.sum, s.shrink, keep);
        if (s0 > 0) {
            for (long q = 0; q < queries; q++) {
                for (long i = 0; i < padded; i += W) vstore(s.out + q * padded + i, vload(s.out + q * padded + i) * vset(s.shrink[q]));
            }
        }
        FN(product)((FN(product_t)){s.p, 1, TILE, s.v, padded, s.out, padded}, queries, padded, keys, 1);
    }
    const float kept = keep != NULL ? shape->dropout.scale : 1;
    for (long q = 0; q < queries; q++) {
        void *out = apus_token(args->out, shape->dtype, head, t0 + q);
        FN(store_row)(out, shape->dtype, s.out + q * padded, size, kept / s.sum[q]);
        if (args->lse != NULL) *apus_lse(args, head, t0 + q) = (s.max[q] + log2f(s.sum[q])) * LN_2;
    }
}

#include "attention_backward_simd.h"
#include "attention_decode_simd.h"
