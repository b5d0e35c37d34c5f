// SPDX-License-Identifier: MIT
// How rows of heads come into a tile and leave it, and what a tile masks; part of attention_simd.h and attention_bf16.c.

static inline long FN(at_most_tile)(long left) { return left < TILE ? left : TILE; }

/// `count` rows of a head, `stride` bytes apart, as floats: [count][padded], zeros behind each row's end.
APUS_INLINE void FN(load_rows_as)(
    float *to, const char *from, apus_dtype_t dtype, long stride, long count, long size, long padded) {
    const long whole = size / W * W;
    const int rest = (int)(size - whole);
    for (long r = 0; r < count; r++, to += padded, from += stride) {
        const float *row = (const float *)from;
        const uint16_t *half = (const uint16_t *)from;
        long i = 0;
        for (; i < whole; i += W) vstore(to + i, dtype == APUS_F32 ? vload(row + i) : FN(load_bf16)(half + i, W));
        if (i == padded) continue;
        vstore(to + i, dtype == APUS_F32 ? FN(load)(row + i, rest) : FN(load_bf16)(half + i, rest));
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
static inline void FN(load_rows)(
    float *to, apus_heads_t view, const apus_attention_t *shape, head_t head, long first, long count, long padded) {
    const char *from = apus_token(view, shape->dtype, head, first);
    const long stride = view.token_stride * apus_size(shape->dtype);
    if (shape->dtype == APUS_F32) {
        FN(load_rows_as)(to, from, APUS_F32, stride, count, shape->head_size, padded);
    } else {
        FN(load_rows_as)(to, from, APUS_BF16, stride, count, shape->head_size, padded);
    }
    if (count < TILE) memset(to + count * padded, 0, sizeof(float) * (size_t)((TILE - count) * padded));
}

/// All keys and values of a head.
static inline void FN(load_head)(const attention_args_t *args, head_t head, const head_rows_t *rows) {
    const long padded = apus_padded(args->shape.head_size);
    for (long s0 = 0; s0 < args->shape.key_length; s0 += TILE) {
        const long keys = FN(at_most_tile)(args->shape.key_length - s0);
        FN(load_rows)(rows->k + s0 * padded, args->k, &args->shape, head, s0, keys, padded);
        FN(load_rows)(rows->v + s0 * padded, args->v, &args->shape, head, s0, keys, padded);
    }
}

/// Where the keys and values of a tile are as rows: in `rows`, or in k and v, to which they are loaded.
static inline tile_rows_t FN(load_keys)(
    const attention_args_t *args, head_t head, long first, long count, const head_rows_t *rows, float *k, float *v) {
    const long padded = apus_padded(args->shape.head_size);
    if (rows != NULL) return (tile_rows_t){rows->k + first * padded, rows->v + first * padded};
    FN(load_rows)(k, args->k, &args->shape, head, first, count, padded);
    FN(load_rows)(v, args->v, &args->shape, head, first, count, padded);
    return (tile_rows_t){k, v};
}

/// Asks for the rows of the next tile: they lie a token apart, too far for the CPU to foresee.
static inline void FN(prefetch_rows)(apus_heads_t view, const apus_attention_t *shape, head_t head, long first, long count) {
    const char *from = apus_token(view, shape->dtype, head, first);
    const long stride = view.token_stride * apus_size(shape->dtype), bytes = shape->head_size * apus_size(shape->dtype);
    for (long r = 0; r < count; r++, from += stride) {
        for (long i = 0; i < bytes; i += 64) _mm_prefetch(from + i, _MM_HINT_T0);
    }
}

/// Rows [TILE][padded] as columns [size][TILE].
static inline void FN(transpose)(float *to, const float *rows, long padded, long size) {
    for (long i = 0; i < size; i++) {
        for (long r = 0; r < TILE; r++) to[i * TILE + r] = rows[r * padded + i];
    }
}

static const float FN(lane_numbers)[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// Scores of one vector of queries and one key; LOWEST where the query does not see the key.
///
/// `ahead` is how many queries of the tile come before the first that sees key 0 of the tile; negative where all see it.
APUS_INLINE vf FN(masked)(vf score, long q, long key, long ahead) {
    if (ahead + key <= q) return score;
    const vf distance = vload(FN(lane_numbers)) - vset((float)(ahead + key - q));
    return FN(negative)(distance, vset(LOWEST), score);
}

/// The bits of dropout for a tile: word [half][query], bit key % 32.
static inline void FN(load_keep)(
    uint32_t *words, const attention_args_t *args, head_t head, long t, long queries, long s, long keys) {
    for (long q = 0; q < queries; q++) {
        const uint64_t bits = apus_attention_keep(args, head, t + q, s, (int)keys);
        words[q] = (uint32_t)bits;
        words[TILE + q] = (uint32_t)(bits >> 32);
    }
}

/// Every row times its own factor.
static inline void FN(scale_rows)(float *rows, long count, long padded, const float *factors) {
    for (long r = 0; r < count; r++, rows += padded) {
        for (long i = 0; i < padded; i += W) vstore(rows + i, vload(rows + i) * vset(factors[r]));
    }
}

/// Rows [count][padded] times a factor into tokens [first, first + count) of a head.
static inline void FN(store_rows)(
    apus_heads_t view, const apus_attention_t *shape, head_t head, long first, long count, const float *rows, float factor) {
    const long padded = apus_padded(shape->head_size);
    for (long r = 0; r < count; r++) {
        void *to = apus_token(view, shape->dtype, head, first + r);
        FN(store_row)(to, shape->dtype, rows + r * padded, shape->head_size, factor);
    }
}
