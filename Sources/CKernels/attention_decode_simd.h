// SPDX-License-Identifier: MIT
// Attention of few queries over many cached keys; part of attention_simd.h. Bound by reading k and v once, so it works on
// them where they lie: the vectors run along the head.

APUS_INLINE vf FN(part)(const void *row, apus_dtype_t dtype, long i, int n) {
    return dtype == APUS_F32 ? FN(load)((const float *)row + i, n) : FN(load_bf16)((const uint16_t *)row + i, n);
}

APUS_INLINE float FN(row_dot)(const float *q, const void *k, apus_dtype_t dtype, long size) {
    vf sum = vset(0);
    for (long i = 0; i < size; i += W) {
        const int n = size - i < W ? (int)(size - i) : W;
        sum = vfma(vload(q + i), FN(part)(k, dtype, i, n), sum);
    }
    return FN(sum)(sum);
}

/// Asks for a row: those of one head lie a whole token apart, too far for the hardware to see them coming.
APUS_INLINE void FN(fetch_row)(const void *row, apus_dtype_t dtype, long size) {
    for (long at = 0; at < size * apus_size(dtype); at += 64) __builtin_prefetch((const char *)row + at);
}

/// `size` is the head's; a constant, where the caller has one, leaves no loops and no masks over a head.
APUS_INLINE void FN(decode_row)(
    const attention_args_t *args, apus_dtype_t dtype, head_t head, long t, const long size, char *scratch) {
    const apus_attention_t *shape = &args->shape;
    const long padded = apus_padded(size), visible = shape->key_length - shape->query_length + t + 1;
    forward_scratch_t s = apus_forward_scratch(scratch, size);
    const long stride = args->v.token_stride * apus_size(dtype);
    float max = -INFINITY, sum = 0;
    FN(load_rows)(s.q, args->q, shape, head, t, 1, padded);
    FN(scale_rows)(s.q, 1, padded, &shape->scale);
    memset(s.out, 0, sizeof(float) * (size_t)padded);
    for (long s0 = 0; s0 < visible; s0 += TILE) {
        const long keys = visible - s0 < TILE ? visible - s0 : TILE;
        float before = max;
        for (long j = 0; j < keys; j++) {
            // The values of this tile come next, then the keys of the next one.
            FN(fetch_row)(apus_token(args->v, dtype, head, s0 + j), dtype, size);
            if (s0 + TILE + j < visible) FN(fetch_row)(apus_token(args->k, dtype, head, s0 + TILE + j), dtype, size);
            s.p[j] = FN(row_dot)(s.q, apus_token(args->k, dtype, head, s0 + j), dtype, size);
            max = s.p[j] > max ? s.p[j] : max;
        }
        for (long j = keys; j < TILE; j++) s.p[j] = -INFINITY;
        const float base = max > -1e30f ? max : -1e30f, shrink = expf(before - base);
        vf total = vset(0);
        for (long j = 0; j < TILE; j += W) {
            const vf weight = FN(exp)(vload(s.p + j) - vset(base));
            total += weight;
            vstore(s.p + j, weight);
        }
        sum = sum * shrink + FN(sum)(total);
        if (shape->dropout.threshold != 0) {
            const uint64_t keep = apus_attention_keep(args, head, t, s0, (int)keys);
            for (long j = 0; j < keys; j++) s.p[j] = keep >> j & 1 ? s.p[j] * shape->dropout.scale : 0;
        }
        const char *v = apus_token(args->v, dtype, head, s0);
        for (long i = 0; i < size; i += W) {
            const int n = size - i < W ? (int)(size - i) : W;
            vf out[4] = {vload(s.out + i) * vset(shrink), vset(0), vset(0), vset(0)};
            for (long j = 0; j < keys; j++) out[j % 4] = vfma(vset(s.p[j]), FN(part)(v + j * stride, dtype, i, n), out[j % 4]);
            vstore(s.out + i, (out[0] + out[1]) + (out[2] + out[3]));
        }
    }
    FN(store_row)(apus_token(args->out, dtype, head, t), dtype, s.out, size, 1 / sum);
    if (args->lse != NULL) *apus_lse(args, head, t) = max + logf(sum);
}

APUS_INLINE void FN(decode_head)(const attention_args_t *args, apus_dtype_t dtype, head_t head, long t, char *scratch) {
    switch (args->shape.head_size) {
        case 32: FN(decode_row)(args, dtype, head, t, 32, scratch); break;
        case 64: FN(decode_row)(args, dtype, head, t, 64, scratch); break;
        case 128: FN(decode_row)(args, dtype, head, t, 128, scratch); break;
        default: FN(decode_row)(args, dtype, head, t, args->shape.head_size, scratch); break;
    }
}

static void FN(forward_row)(const attention_args_t *args, head_t head, long t, char *scratch) {
    if (args->shape.dtype == APUS_F32) {
        FN(decode_head)(args, APUS_F32, head, t, scratch);
    } else {
        FN(decode_head)(args, APUS_BF16, head, t, scratch);
    }
}
