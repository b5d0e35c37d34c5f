// SPDX-License-Identifier: MIT
// Attention row by row in plain C: the reference of the tiled kernels.
#include <math.h>

static float dot_portable(const void *a, const void *b, apus_dtype_t dtype, long n) {
    float sum = 0;
    for (long i = 0; i < n; i++) sum += apus_get(a, dtype, i) * apus_get(b, dtype, i);
    return sum;
}

/// What dropout multiplies the weight of (t, s) by.
static float keep_factor(const attention_args_t *args, head_t head, long t, long s) {
    if (args->shape.dropout.threshold == 0) return 1;
    return apus_attention_keep(args, head, t, s, 1) ? args->shape.dropout.scale : 0;
}

/// Softmax online: the sum and the output so far are rescaled whenever a larger score comes.
/// Source: Milakov, Gimelshein, Online normalizer calculation for softmax, 2018.
static void forward_row(const attention_args_t *args, head_t head, long t, float *sums) {
    const apus_attention_t *shape = &args->shape;
    const apus_dtype_t dtype = shape->dtype;
    const long visible = shape->key_length - shape->query_length + t + 1, size = shape->head_size;
    const void *q = apus_token(args->q, dtype, head, t);
    float max = -INFINITY, sum = 0;
    for (long i = 0; i < size; i++) sums[i] = 0;
    for (long s = 0; s < visible; s++) {
        const float score = shape->scale * dot_portable(q, apus_token(args->k, dtype, head, s), dtype, size);
        if (score > max) {
            const float shrink = expf(max - score);
            sum *= shrink;
            for (long i = 0; i < size; i++) sums[i] *= shrink;
            max = score;
        }
        const float p = expf(score - max), kept = p * keep_factor(args, head, t, s);
        const void *v = apus_token(args->v, dtype, head, s);
        sum += p;
        for (long i = 0; i < size; i++) sums[i] += kept * apus_get(v, dtype, i);
    }
    void *out = apus_token(args->out, dtype, head, t);
    for (long i = 0; i < size; i++) apus_set(out, dtype, i, sums[i] / sum);
    if (args->lse != NULL) *apus_lse(args, head, t) = max + logf(sum);
}

/// One row of the backward: with p the softmax's weights, m their dropout factors, D = sum of dout * out,
/// dv += m p dout, dp = m (dout . v), ds = p (dp - D) scale, dq += ds k, dk += ds q.
static void backward_row(const attention_args_t *args, head_t head, long t, float *dq, float *dk, float *dv) {
    const apus_attention_t *shape = &args->shape;
    const apus_dtype_t dtype = shape->dtype;
    const long visible = shape->key_length - shape->query_length + t + 1, size = shape->head_size;
    const void *q = apus_token(args->q, dtype, head, t), *dout = apus_token(args->dout, dtype, head, t);
    const float d = dot_portable(dout, apus_token(args->out, dtype, head, t), dtype, size), lse = *apus_lse(args, head, t);
    for (long i = 0; i < size; i++) dq[i] = 0;
    for (long s = 0; s < visible; s++) {
        const void *k = apus_token(args->k, dtype, head, s), *v = apus_token(args->v, dtype, head, s);
        const float p = expf(shape->scale * dot_portable(q, k, dtype, size) - lse), factor = keep_factor(args, head, t, s);
        const float ds = p * (factor * dot_portable(dout, v, dtype, size) - d) * shape->scale;
        for (long i = 0; i < size; i++) {
            dv[s * size + i] += factor * p * apus_get(dout, dtype, i);
            dk[s * size + i] += ds * apus_get(q, dtype, i);
            dq[i] += ds * apus_get(k, dtype, i);
        }
    }
    void *to = apus_token(args->dq, dtype, head, t);
    for (long i = 0; i < size; i++) apus_set(to, dtype, i, dq[i]);
}

static void backward_head_portable(const attention_args_t *args, head_t head, void *scratch, float *workspace) {
    const apus_attention_t *shape = &args->shape;
    const long count = shape->key_length * shape->head_size;
    float *dk = workspace, *dv = workspace + count;
    memset(workspace, 0, sizeof(float) * 2 * (size_t)count);
    for (long t = 0; t < shape->query_length; t++) backward_row(args, head, t, scratch, dk, dv);
    for (long s = 0; s < shape->key_length; s++) {
        void *dk_out = apus_token(args->dk, shape->dtype, head, s), *dv_out = apus_token(args->dv, shape->dtype, head, s);
        for (long i = 0; i < shape->head_size; i++) {
            apus_set(dk_out, shape->dtype, i, dk[s * shape->head_size + i]);
            apus_set(dv_out, shape->dtype, i, dv[s * shape->head_size + i]);
        }
    }
}
