// SPDX-License-Identifier: MIT
// The same attention in float32 arithmetic, for float32 tensors, head sizes the tensor-core kernels do not take, and decoding:
// a block one query of one head, its warps sharing the keys in turns of 32, a lane a key for the scores and a lane an element
// of the head for the sums. Each warp has a softmax of its own, online; at the end they are merged in order.

/// Sum over `count` elements of a row and of a vector in shared memory.
DEVICE float dot_with(shared<float> x, const act *row, int count) {
    float sum = 0;
    for (int d = 0; d < count; d++) sum += x[d] * get(row, d);
    return sum;
}

KERNEL(512) attention_rows_forward(
    heads_t out, float *lse, heads_t q, heads_t k, heads_t v, int heads, int query_length, int key_length, int head_size,
    float scale, dropout_t dropout, const double *state) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const shared<float> q_row = DYNAMIC_SHARED(float), merged = q_row + head_size;  // [HS]; [warps][HS + 2]
    const int h = blockIdx.y % heads, b = blockIdx.y / heads, t = blockIdx.x, position = key_length - query_length + t;
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;
    const act *query = token<act>(q, b, h, t);
    for (int d = threadIdx.x; d < head_size; d += blockDim.x) q_row[d] = get(query, d);
    __syncthreads();

    float largest = LOWEST, denominator = 0, sums[HEAD_SLOTS] = {};
    for (int first = 32 * warp; first <= position; first += 32 * warps) {
        const int s = first + lane;
        const float score = s <= position ? scale * dot_with(q_row, token<act>(k, b, h, s), head_size) : LOWEST;
        const float most = fmaxf(largest, warp_max(score)), shrink = expf(largest - most);
        const float weight = s <= position ? expf(score - most) : 0;
        float kept = weight;
        if (dropout.threshold != 0) {
            kept *= dropout_keeps(dropout, sample, ((u64)h * key_length + position) * key_length + s) ? dropout.scale : 0;
        }
        largest = most;
        denominator = denominator * shrink + warp_sum(weight);
        UNROLL
        for (int i = 0; i < HEAD_SLOTS; i++) sums[i] *= shrink;
        for (int j = 0; j < min(32, position + 1 - first); j++) {
            const float w = __shfl_sync(ALL_LANES, kept, j);
            const act *value = token<act>(v, b, h, first + j);
            UNROLL
            for (int i = 0; i < HEAD_SLOTS; i++) {
                const int d = 32 * i + lane;
                if (d < head_size) sums[i] += w * get(value, d);
            }
        }
    }
    const shared<float> mine = merged + warp * (head_size + 2);
    UNROLL
    for (int i = 0; i < HEAD_SLOTS; i++) {
        if (32 * i + lane < head_size) mine[2 + 32 * i + lane] = sums[i];
    }
    if (lane == 0) {
        mine[0] = largest;
        mine[1] = denominator;
    }
    __syncthreads();

    float most = LOWEST, total = 0;
    for (int w = 0; w < warps; w++) most = fmaxf(most, merged[w * (head_size + 2)]);
    for (int w = 0; w < warps; w++) total += merged[w * (head_size + 2) + 1] * expf(merged[w * (head_size + 2)] - most);
    act *to = token<act>(out, b, h, t);
    for (int d = threadIdx.x; d < head_size; d += blockDim.x) {
        float sum = 0;
        for (int w = 0; w < warps; w++) sum += merged[w * (head_size + 2) + 2 + d] * expf(merged[w * (head_size + 2)] - most);
        set(to, d, sum / total);
    }
    if (lse != nullptr && threadIdx.x == 0) lse[(i64)blockIdx.y * query_length + t] = most + logf(total);
}
