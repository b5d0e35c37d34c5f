// SPDX-License-Identifier: MIT
// Operands are words: pairs of bfloat16 that lie side by side along the sum, as vdpbf16ps takes them. A tile's rows give
// pairs along the head where they lie ("row words"); pairs of neighbouring rows ("pair words", [TILE / 2][padded]) serve
// sums over tokens. Weights and score gradients are rounded to bfloat16 for the products, as in FlashAttention; their
// sums, maxima and the softmax stay float32.
#if defined(__x86_64__)
#define APUS_WITH_BF16 1

#include "attention_bf16.h"

#include <math.h>

#include "attention_scratch.h"
#include "simd.h"

#include "simd_avx512.h"

#include "attention_rows_simd.h"

#define PRODUCT(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
#include "attention_gemm_simd.h"

/// `count` tokens of a head as row words [TILE][padded / 2], zeros behind each row's end and behind the last row.
static void load_words(uint32_t *to, apus_heads_t view, const apus_attention_t *shape, head_t head, long first, long count) {
    const long size = shape->head_size, padded = apus_padded(size), whole = size / 32 * 32;
    const uint16_t *from = apus_token(view, APUS_BF16, head, first);
    uint16_t *row = (uint16_t *)to;
    for (long r = 0; r < count; r++, row += padded, from += view.token_stride) {
        for (long i = 0; i < whole; i += 32) _mm512_storeu_si512(row + i, _mm512_loadu_si512(from + i));
        if (whole == padded) continue;
        const __mmask32 rest = (__mmask32)(((uint64_t)1 << (size - whole)) - 1);
        const __mmask32 width = (__mmask32)(((uint64_t)1 << (padded - whole)) - 1);
        _mm512_mask_storeu_epi16(row + whole, width, _mm512_maskz_loadu_epi16(rest, from + whole));
    }
    if (count < TILE) memset(row, 0, 2 * (size_t)((TILE - count) * padded));
}

/// Row words [TILE][padded / 2] as pair words [TILE / 2][padded]: element i of rows 2 r and 2 r + 1 side by side.
static void pair_rows(uint32_t *to, const uint32_t *words, long padded) {
    const uint16_t *row = (const uint16_t *)words;
    for (long r = 0; r < TILE; r += 2, row += 2 * padded) {
        for (long i = 0; i < padded; i += W, to += W) {
            const __m512i even = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(row + i)));
            const __m512i odd = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(row + padded + i)));
            _mm512_storeu_si512(to, _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
        }
    }
}

/// Row words [TILE][words] as columns [words][TILE].
static void transpose_words(uint32_t *to, const uint32_t *from, long words) {
    for (long i = 0; i < words; i++) {
        for (long r = 0; r < TILE; r++) to[i * TILE + r] = from[r * words + i];
    }
}

/// Two rows of floats as one vector of pair words.
APUS_INLINE __m512i pair(vf even, vf odd) {
    // The conversion puts `even` into the lower half of the vector; the permutation deals the two halves out in turn.
    static const uint16_t turns[32] = {0,  16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                       8,  24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_loadu_si512(turns), (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

static FN(product_t) words_product(
    const uint32_t *a, long a_row, long a_step, const uint32_t *b, long b_row, float *c, long c_row) {
    return (FN(product_t)){(const float *)a, a_row, a_step, (const float *)b, b_row, c, c_row};
}

static long even(long count) { return (count + 1) / 2 * 2; }

// MARK: Forward

/// The online softmax of attention_simd.h; weights leave as pair words [keys / 2][TILE] in the place of the scores.
static void softmax_pairs(forward_scratch_t s, long keys, long ahead, const uint32_t *keep, float scale) {
    for (long q = 0; q < TILE; q += W) {
        const vf before = vload(s.max + q);
        vf largest = before, second = before;
        if (ahead + keys > q + 1) {
            for (long j = 0; j < keys; j++) vstore(s.p + j * TILE + q, FN(masked)(vload(s.p + j * TILE + q), q, j, ahead));
        }
        for (long j = 0; j < keys; j += 2) {
            largest = vmax(largest, vload(s.p + j * TILE + q));
            second = vmax(second, vload(s.p + (j + 1) * TILE + q));
        }
        const vf base = vmax(largest, second), scaled = base * vset(scale);
        const vf factor = FN(exp2)(vfms(before, vset(scale), scaled));
        vf total = vload(s.sum + q) * factor;
        for (long j = 0; j < keys; j += 2) {
            vf weight = FN(exp2)(vfms(vload(s.p + j * TILE + q), vset(scale), scaled));
            vf next = FN(exp2)(vfms(vload(s.p + (j + 1) * TILE + q), vset(scale), scaled));
            total += weight + next;
            if (keep != NULL) {
                weight = FN(where_bit)(keep + (j / 32) * TILE + q, (int)(j % 32), weight);
                next = FN(where_bit)(keep + (j / 32) * TILE + q, (int)(j % 32) + 1, next);
            }
            _mm512_storeu_si512(s.p + j / 2 * TILE + q, pair(weight, next));
        }
        vstore(s.max + q, base);
        vstore(s.sum + q, total);
        vstore(s.shrink + q, factor);
    }
}

void apus_attention_bf16_forward_tile(const attention_args_t *args, head_t head, long t0, char *scratch) {
    const apus_attention_t *shape = &args->shape;
    const long size = shape->head_size, padded = apus_padded(size), offset = shape->key_length - shape->query_length;
    const long queries = FN(at_most_tile)(shape->query_length - t0), visible = offset + t0 + queries;
    forward_scratch_t s = apus_forward_scratch(scratch, size);
    uint32_t *keep = shape->dropout.threshold != 0 ? s.keep : NULL;
    uint32_t *q = (uint32_t *)s.q, *k = (uint32_t *)s.k, *v = (uint32_t *)s.v;
    load_words(k, args->q, shape, head, t0, queries);
    transpose_words(q, k, padded / 2);
    memset(s.out, 0, sizeof(float) * (size_t)(TILE * padded));
    for (long i = 0; i < TILE; i++) s.max[i] = LOWEST, s.sum[i] = 0;
    for (long s0 = 0; s0 < visible; s0 += TILE) {
        // An odd last key gets a neighbour of zeros that no query sees.
        const long keys = FN(at_most_tile)(visible - s0);
        load_words(k, args->v, shape, head, s0, keys);
        pair_rows(v, k, padded);
        load_words(k, args->k, shape, head, s0, keys);
        FN(prefetch_rows)(args->k, shape, head, s0 + keys, FN(at_most_tile)(visible - s0 - keys));
        FN(prefetch_rows)(args->v, shape, head, s0 + keys, FN(at_most_tile)(visible - s0 - keys));
        FN(product)(words_product(k, padded / 2, 1, q, TILE, s.p, TILE), even(keys), TILE, (size + 1) / 2, 0);
        if (keep != NULL) FN(load_keep)(keep, args, head, t0, queries, s0, keys);
        softmax_pairs(s, even(keys), s0 - offset - t0, keep, shape->scale * LOG2_E);
        if (s0 > 0) FN(scale_rows)(s.out, queries, padded, s.shrink);
        FN(product)(words_product((uint32_t *)s.p, 1, TILE, v, padded, s.out, padded), queries, padded, even(keys) / 2, 1);
    }
    const float kept = keep != NULL ? shape->dropout.scale : 1;
    for (long r = 0; r < queries; r++) {
        FN(store_row)(apus_token(args->out, APUS_BF16, head, t0 + r), APUS_BF16, s.out + r * padded, size, kept / s.sum[r]);
        if (args->lse != NULL) *apus_lse(args, head, t0 + r) = s.max[r] * shape->scale + logf(s.sum[r]);
    }
}

// MARK: Backward

/// The words of a tile of queries in `backward_scratch_t`: q and dout as pair words, their columns of row words, D, lse.
static void load_queries(const attention_args_t *args, head_t head, long t0, long queries, backward_scratch_t s) {
    const apus_attention_t *shape = &args->shape;
    const long padded = apus_padded(shape->head_size);
    uint32_t *rows = (uint32_t *)s.k;  // k and v are not in use yet
    load_words(rows, args->q, shape, head, t0, queries);
    transpose_words((uint32_t *)s.q_columns, rows, padded / 2);
    pair_rows((uint32_t *)s.q, rows, padded);
    load_words(rows, args->dout, shape, head, t0, queries);
    transpose_words((uint32_t *)s.dout_columns, rows, padded / 2);
    pair_rows((uint32_t *)s.dout, rows, padded);
    FN(load_rows)(s.k, args->out, shape, head, t0, queries, padded);
    FN(load_rows)(s.v, args->dout, shape, head, t0, queries, padded);
    for (long r = 0; r < TILE; r++) s.d[r] = s.lse[r] = 0;
    for (long r = 0; r < queries; r++) {
        vf sum = vset(0);
        for (long i = 0; i < padded; i += W) sum = vfma(vload(s.k + r * padded + i), vload(s.v + r * padded + i), sum);
        s.d[r] = FN(sum)(sum);
        s.lse[r] = *apus_lse(args, head, t0 + r) * LOG2_E;
    }
}

/// What a tile's weights become for the products: row words [keys][TILE / 2] of p and ds, pair words [keys / 2][TILE] of ds.
typedef struct {
    uint32_t *p, *ds, *ds_pairs;
} weight_words_t;

/// One key, 16 queries: p (times dropout's factors) and ds.
APUS_INLINE void weight(
    backward_scratch_t s, long j, long q, long ahead, const uint32_t *keep, float factor, float scale, vf *p, vf *ds) {
    const vf score = FN(masked)(vload(s.p + j * TILE + q), q, j, ahead);
    *p = FN(exp2)(vfms(score, vset(factor), vload(s.lse + q)));
    vf gradient = vload(s.ds + j * TILE + q);
    const vf plain = *p;
    if (keep != NULL) {
        const vf mask = FN(where_bit)(keep + (j / 32) * TILE + q, (int)(j % 32), vset(scale));
        *p = plain * mask;
        gradient = gradient * mask;
    }
    *ds = plain * (gradient - vload(s.d + q));
}

APUS_INLINE void weights_of(
    backward_scratch_t s, weight_words_t words, long keys, long ahead, const uint32_t *keep, float factor, float scale) {
    for (long q = 0; q < TILE; q += 2 * W) {
        for (long j = 0; j < keys; j += 2) {
            vf p[2][2], ds[2][2];
            for (int n = 0; n < 4; n++) {
                const int key = n / 2, part = n % 2;
                weight(s, j + key, q + part * W, ahead, keep, factor, scale, &p[key][part], &ds[key][part]);
            }
            for (int n = 0; n < 2; n++) {
                _mm512_storeu_si512(words.p + ((j + n) * TILE + q) / 2, (__m512i)_mm512_cvtne2ps_pbh(p[n][1], p[n][0]));
                _mm512_storeu_si512(words.ds + ((j + n) * TILE + q) / 2, (__m512i)_mm512_cvtne2ps_pbh(ds[n][1], ds[n][0]));
                _mm512_storeu_si512(words.ds_pairs + j / 2 * TILE + q + n * W, pair(ds[0][n], ds[1][n]));
            }
        }
    }
}

static void backward_tile(
    const attention_args_t *args, head_t head, long t0, long queries, long s0, long keys, backward_scratch_t s,
    const head_rows_t *loaded, float *dq, float *dk, float *dv) {
    (void)loaded;
    const apus_attention_t *shape = &args->shape;
    const long size = shape->head_size, padded = apus_padded(size), ahead = s0 - (shape->key_length - shape->query_length) - t0;
    const long pairs = even(keys) / 2;
    const float factor = shape->scale * LOG2_E, scale = shape->dropout.scale;
    uint32_t *keep = shape->dropout.threshold != 0 ? s.keep : NULL;
    uint32_t *rows = (uint32_t *)s.k, *k_pairs = (uint32_t *)s.v;
    const weight_words_t words = {s.words, s.words + TILE * TILE / 2, s.words + TILE * TILE};
    load_words(rows, args->k, shape, head, s0, keys);
    pair_rows(k_pairs, rows, padded);
    const long steps = (size + 1) / 2, query_steps = even(queries) / 2;
    FN(product)(words_product(rows, padded / 2, 1, (uint32_t *)s.q_columns, TILE, s.p, TILE), 2 * pairs, TILE, steps, 0);
    load_words(rows, args->v, shape, head, s0, keys);
    FN(product)(words_product(rows, padded / 2, 1, (uint32_t *)s.dout_columns, TILE, s.ds, TILE), 2 * pairs, TILE, steps, 0);
    if (keep != NULL) {
        FN(load_keep)(keep, args, head, t0, queries, s0, keys);
        weights_of(s, words, 2 * pairs, ahead, keep, factor, scale);
    } else if (ahead + keys > 1) {
        weights_of(s, words, 2 * pairs, ahead, NULL, factor, 1);
    } else {
        weights_of(s, words, 2 * pairs, -2L * TILE, NULL, factor, 1);
    }
    if (dq != NULL) FN(product)(words_product(words.ds_pairs, 1, TILE, k_pairs, padded, dq, padded), queries, padded, pairs, 1);
    if (dk == NULL) return;
    FN(product)(words_product(words.p, TILE / 2, 1, (uint32_t *)s.dout, padded, dv, padded), keys, padded, query_steps, 1);
    FN(product)(words_product(words.ds, TILE / 2, 1, (uint32_t *)s.q, padded, dk, padded), keys, padded, query_steps, 1);
}

#define LOAD_QUERIES load_queries
#define BACKWARD_TILE backward_tile
#include "attention_loops_simd.h"

void apus_attention_bf16_backward_queries(
    const attention_args_t *args, head_t head, long t0, char *scratch, const head_rows_t *rows, float *dk, float *dv) {
    FN(backward_queries)(args, head, t0, scratch, rows, dk, dv);
}

void apus_attention_bf16_backward_keys(const attention_args_t *args, head_t head, long s0, char *scratch) {
    FN(backward_keys)(args, head, s0, scratch);
}

void apus_attention_bf16_backward_head(const attention_args_t *args, head_t head, char *scratch, float *workspace) {
    FN(backward_head)(args, head, scratch, workspace);
}

#include "simd_end.h"
#endif
