// SPDX-License-Identifier: MIT
// Attention of few queries over many cached keys; part of attention_simd.h. Bound by reading k and v once, so it works on
// them where they lie: the vectors run along the head.

APUS_INLINE vf FN(part)(const void *row, apus_dtype_t dtype, long i, int n) {
    return dtype == APUS_F32 ? FN(load)((const float *)row + i, n) : FN(load_bf16)((const uint16_t *)row + i, n);
}

/// Scores of W keys, `stride` bytes apart. Each is the sum of one chain of products along the head, then of its lanes.
APUS_INLINE vf FN(key_scores)(const float *q, const char *k, long stride, apus_dtype_t dtype, const long size) {
    vf sums[W];
    for (int j = 0; j < W; j++) sums[j] = vset(0);
    for (long i = 0; i < size; i += W) {
        const int n = size - i < W ? (int)(size - i) : W;
        const vf part = vload(q + i);
#pragma clang loop unroll(full)
        for (int j = 0; j < W; j++) sums[j] = vfma(part, FN(part)(k + j * stride, dtype, i, n), sums[j]);
    }
    return FN(lane_sums)(sums);
}

APUS_INLINE float FN(key_score)(const float *q, const char *k, apus_dtype_t dtype, const long size) {
    vf sum = vset(0);
    for (long i = 0; i < size; i += W) {
        const int n = size - i < W ? (int)(size - i) : W;
        sum = vfma(vload(q + i), FN(part)(k, dtype, i, n), sum);
    }
    return FN(sum)(sum);
}

/// out[i ..< i + parts * W] = shrink * out + the values weighted by p. Sums of four, of every fourth key each, so that one
/// addition need not wait for another.
APUS_INLINE void FN(add_values)(
    float *out, const float *p, const char *v, long stride, apus_dtype_t dtype, long keys, float shrink, long i, const int parts,
    const int n) {
    vf sums[4][2];
#pragma clang loop unroll(full)
    for (int c = 0; c < parts; c++) {
        sums[0][c] = vload(out + i + c * W) * vset(shrink);
        sums[1][c] = sums[2][c] = sums[3][c] = vset(0);
    }
    long j = 0;
    for (; j + 4 <= keys; j += 4) {
#pragma clang loop unroll(full)
        for (int l = 0; l < 4; l++) {
            const vf weight = vset(p[j + l]);
#pragma clang loop unroll(full)
            for (int c = 0; c < parts; c++) {
                sums[l][c] = vfma(weight, FN(part)(v + (j + l) * stride, dtype, i + c * W, n), sums[l][c]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int l = 0; l < 3; l++) {
        if (j + l >= keys) break;
        const vf weight = vset(p[j + l]);
#pragma clang loop unroll(full)
        for (int c = 0; c < parts; c++) {
            sums[l][c] = vfma(weight, FN(part)(v + (j + l) * stride, dtype, i + c * W, n), sums[l][c]);
        }
    }
#pragma clang loop unroll(full)
    for (int c = 0; c < parts; c++) {
        vstore(out + i + c * W, (sums[0][c] + sums[1][c]) + (sums[2][c] + sums[3][c]));
    }
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
    const long k_stride = args->k.token_stride * apus_size(dtype), stride = args->v.token_stride * apus_size(dtype);
    float max = -INFINITY, sum = 0;
    FN(load_rows)(s.q, args->q, shape, head, t, 1, padded);
    FN(scale_rows)(s.q, 1, padded, &shape->scale);
    memset(s.out, 0, sizeof(float) * (size_t)padded);
    for (long s0 = 0; s0 < visible; s0 += TILE) {
        const long keys = visible - s0 < TILE ? visible - s0 : TILE;
        float before = max;
        const char *k = apus_token(args->k, dtype, head, s0), *v = apus_token(args->v, dtype, head, s0);
        long j = 0;
        for (; j + W <= keys; j += W) {
            // The values of this tile come next, then the keys of the next one.
            for (long l = j; l < j + W; l++) {
                FN(fetch_row)(v + l * stride, dtype, size);
                if (s0 + TILE + l < visible) FN(fetch_row)(k + (TILE + l) * k_stride, dtype, size);
            }
            vstore(s.p + j, FN(key_scores)(s.q, k + j * k_stride, k_stride, dtype, size));
        }
        for (; j < keys; j++) {
            FN(fetch_row)(v + j * stride, dtype, size);
            s.p[j] = FN(key_score)(s.q, k + j * k_stride, dtype, size);
        }
        for (j = 0; j < keys; j++) max = s.p[j] > max ? s.p[j] : max;
        for (; j < TILE; j++) s.p[j] = -INFINITY;
        const float base = max > -1e30f ? max : -1e30f, shrink = expf(before - base);
        vf total = vset(0);
        for (j = 0; j < TILE; j += W) {
            const vf weight = FN(exp)(vload(s.p + j) - vset(base));
            total += weight;
            vstore(s.p + j, weight);
        }
        sum = sum * shrink + FN(sum)(total);
        if (shape->dropout.threshold != 0) {
            const uint64_t keep = apus_attention_keep(args, head, t, s0, (int)keys);
            for (j = 0; j < keys; j++) s.p[j] = keep >> j & 1 ? s.p[j] * shape->dropout.scale : 0;
        }
        long i = 0;
        for (; i + 2 * W <= size; i += 2 * W) FN(add_values)(s.out, s.p, v, stride, dtype, keys, shrink, i, 2, W);
        for (; i < size; i += W) {
            FN(add_values)(s.out, s.p, v, stride, dtype, keys, shrink, i, 1, size - i < W ? (int)(size - i) : W);
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
