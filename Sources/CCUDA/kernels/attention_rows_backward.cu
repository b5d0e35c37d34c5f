// SPDX-License-Identifier: MIT
// The gradients of attention_rows_forward.cu: a block one query (dq) or one key (dk, dv) of one head, its four warps sharing
// the other side in turns of 32, a lane a token for the weights and a lane an element of the head for the sums.

enum { ROWS_WARPS = 4 };

/// Copies a head's row into shared memory as float32.
DEVICE void keep_row(shared<float> to, const act *row, int count) {
    for (int d = threadIdx.x; d < count; d += 32 * ROWS_WARPS) to[d] = get(row, d);
}

DEVICE float dot_with(shared<float> x, const act *row, int count) {
    float sum = 0;
    for (int d = 0; d < count; d++) sum += x[d] * get(row, d);
    return sum;
}

/// Puts a warp's sums [HS] where the others find them.
DEVICE void share_sums(shared<float> to, const float (&sums)[HEAD_SLOTS], int count) {
    UNROLL
    for (int i = 0; i < HEAD_SLOTS; i++) {
        const int d = 32 * i + (int)threadIdx.x % 32;
        if (d < count) to[d] = sums[i];
    }
}

/// Writes the sum over the warps' sums [warps][stride], in order.
DEVICE void store_sums(act *to, shared<float> from, int stride, int count) {
    for (int d = threadIdx.x; d < count; d += 32 * ROWS_WARPS) {
        float sum = 0;
        for (int w = 0; w < ROWS_WARPS; w++) sum += from[w * stride + d];
        set(to, d, sum);
    }
}

/// dq = sum over keys of ds k
KERNEL(128) attention_rows_backward_queries(
    heads_t dq, heads_t dout, heads_t q, heads_t k, heads_t v, const float *lse, const float *delta, int heads,
    int query_length, int key_length, int head_size, float scale, dropout_t dropout, const double *state) {
    const shared<float> q_row = DYNAMIC_SHARED(float), dout_row = q_row + head_size, shares = dout_row + head_size;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    const int t = blockIdx.x, position = key_length - query_length + t;
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;
    const i64 row = (i64)blockIdx.y * query_length + t;
    keep_row(q_row, token<act>(q, b, h, t), head_size);
    keep_row(dout_row, token<act>(dout, b, h, t), head_size);
    __syncthreads();
    float sums[HEAD_SLOTS] = {};
    for (int first = 32 * warp; first <= position; first += 32 * ROWS_WARPS) {
        const int s = first + lane;
        float ds = 0;
        if (s <= position) {
            const float weight = expf(scale * dot_with(q_row, token<act>(k, b, h, s), head_size) - lse[row]);
            float dweight = dot_with(dout_row, token<act>(v, b, h, s), head_size);
            if (dropout.threshold != 0) {
                const u64 element = ((u64)h * key_length + position) * key_length + s;
                dweight *= dropout_keeps(dropout, sample, element) ? dropout.scale : 0;
            }
            ds = weight * (dweight - delta[row]) * scale;
        }
        for (int j = 0; j < min(32, position + 1 - first); j++) {
            const float w = __shfl_sync(ALL_LANES, ds, j);
            const act *key = token<act>(k, b, h, first + j);
            UNROLL
            for (int i = 0; i < HEAD_SLOTS; i++) {
                if (32 * i + lane < head_size) sums[i] += w * get(key, 32 * i + lane);
            }
        }
    }
    share_sums(shares + warp * head_size, sums, head_size);
    __syncthreads();
    store_sums(token<act>(dq, b, h, t), shares, head_size, head_size);
}

/// dk = sum over queries of ds q, dv = sum of their weights times dout
KERNEL(128) attention_rows_backward_keys(
    heads_t dk, heads_t dv, heads_t dout, heads_t q, heads_t k, heads_t v, const float *lse, const float *delta, int heads,
    int query_length, int key_length, int head_size, float scale, dropout_t dropout, const double *state) {
    const shared<float> k_row = DYNAMIC_SHARED(float), v_row = k_row + head_size, shares = v_row + head_size;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    const int s = blockIdx.x, offset = key_length - query_length, begin = max(0, s - offset);
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;
    const i64 rows = (i64)blockIdx.y * query_length;
    keep_row(k_row, token<act>(k, b, h, s), head_size);
    keep_row(v_row, token<act>(v, b, h, s), head_size);
    __syncthreads();
    float dk_sums[HEAD_SLOTS] = {}, dv_sums[HEAD_SLOTS] = {};
    for (int first = begin + 32 * warp; first < query_length; first += 32 * ROWS_WARPS) {
        const int t = first + lane;
        float ds = 0, kept = 0;
        if (t < query_length) {
            const float weight = expf(scale * dot_with(k_row, token<act>(q, b, h, t), head_size) - lse[rows + t]);
            float factor = 1;
            if (dropout.threshold != 0) {
                const u64 element = ((u64)h * key_length + offset + t) * key_length + s;
                factor = dropout_keeps(dropout, sample, element) ? dropout.scale : 0;
            }
            kept = weight * factor;
            ds = weight * (factor * dot_with(v_row, token<act>(dout, b, h, t), head_size) - delta[rows + t]) * scale;
        }
        for (int j = 0; j < min(32, query_length - first); j++) {
            const float dk_weight = __shfl_sync(ALL_LANES, ds, j), dv_weight = __shfl_sync(ALL_LANES, kept, j);
            const act *query = token<act>(q, b, h, first + j), *gradient = token<act>(dout, b, h, first + j);
            UNROLL
            for (int i = 0; i < HEAD_SLOTS; i++) {
                if (32 * i + lane >= head_size) continue;
                dk_sums[i] += dk_weight * get(query, 32 * i + lane);
                dv_sums[i] += dv_weight * get(gradient, 32 * i + lane);
            }
        }
    }
    share_sums(shares + warp * 2 * head_size, dk_sums, head_size);
    share_sums(shares + (warp * 2 + 1) * head_size, dv_sums, head_size);
    __syncthreads();
    store_sums(token<act>(dk, b, h, s), shares, 2 * head_size, head_size);
    store_sums(token<act>(dv, b, h, s), shares + head_size, 2 * head_size, head_size);
}
