// SPDX-License-Identifier: MIT
// out = softmax(scale q k^T, causal) v on tensor cores: a block 64 queries of one head, walking over the keys they see.
// Softmax is online, in float32: nothing of size T x T exists. The next tile of keys and values arrives during the products.

KERNEL(128) attention_forward(
    heads_t out, float *lse, heads_t q, heads_t k, heads_t v, int heads, int query_length, int key_length, float scale,
    dropout_t dropout, const double *state) {
    const shared<bf16> q_tile = DYNAMIC_SHARED(bf16), k_tiles = q_tile + TILE_SIZE, v_tiles = k_tiles + 2 * TILE_SIZE;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    // The last queries see the most keys: they come first, so that the card's blocks end together.
    const int first = (gridDim.x - 1 - blockIdx.x) * TILE, offset = key_length - query_length;
    const int query = first + 16 * warp + lane / 4;  // of this lane's first row; the second is 8 further
    const int tiles = (min(key_length, offset + first + TILE) + TILE - 1) / TILE;
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;

    load_tile(q_tile, q, b, h, first, query_length);
    load_tile(k_tiles, k, b, h, 0, key_length);
    load_tile(v_tiles, v, b, h, 0, key_length);
    commit_copies();
    float sums[HEAD_BLOCKS][4] = {}, largest[2] = {LOWEST, LOWEST}, denominator[2] = {0, 0};
    const float scale2 = scale * LOG2_E;  // weights are powers of 2
    for (int tile = 0; tile < tiles; tile++) {
        const int stage = tile % 2;
        if (tile + 1 < tiles) {
            load_tile(k_tiles + (1 - stage) * TILE_SIZE, k, b, h, (tile + 1) * TILE, key_length);
            load_tile(v_tiles + (1 - stage) * TILE_SIZE, v, b, h, (tile + 1) * TILE, key_length);
            commit_copies();
            wait_copies<1>();
        } else {
            wait_copies<0>();
        }
        __syncthreads();
        float s[TOKEN_BLOCKS][4] = {};  // scores, then weights
        multiply_along_head(s, q_tile, 16 * warp, k_tiles + stage * TILE_SIZE);
        if ((tile + 1) * TILE - 1 > offset + first) {
            UNROLL
            for (int n = 0; n < TOKEN_BLOCKS; n++) {
                UNROLL
                for (int e = 0; e < 4; e++) {
                    const int key = tile * TILE + 8 * n + lane % 4 * 2 + e % 2;
                    if (key > offset + query + e / 2 * 8) s[n][e] = LOWEST;
                }
            }
        }
        UNROLL
        for (int half = 0; half < 2; half++) {
            float most = largest[half];
            UNROLL
            for (int n = 0; n < TOKEN_BLOCKS; n++) most = fmaxf(most, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
            // Four lanes share a row.
            most = fmaxf(most, __shfl_xor_sync(ALL_LANES, most, 1));
            most = fmaxf(most, __shfl_xor_sync(ALL_LANES, most, 2));
            const float shrink = fast_exp2((largest[half] - most) * scale2);
            largest[half] = most;
            float sum = 0;
            UNROLL
            for (int n = 0; n < TOKEN_BLOCKS; n++) {
                UNROLL
                for (int e = 2 * half; e < 2 * half + 2; e++) {
                    s[n][e] = fast_exp2((s[n][e] - most) * scale2);
                    sum += s[n][e];
                }
            }
            denominator[half] = denominator[half] * shrink + sum;
            UNROLL
            for (int d = 0; d < HEAD_BLOCKS; d++) {
                sums[d][2 * half] *= shrink;
                sums[d][2 * half + 1] *= shrink;
            }
        }
        if (dropout.threshold != 0) {
            const u64 row = (u64)h * key_length + offset + first + 16 * warp;
            const u32 kept = kept_weights<false>(dropout, sample, row * key_length + tile * TILE, key_length);
            UNROLL
            for (int i = 0; i < 4 * TOKEN_BLOCKS; i++) s[i / 4][i % 4] *= kept >> i & 1 ? dropout.scale : 0;
        }
        multiply_along_tokens(sums, s, v_tiles + stage * TILE_SIZE);
        __syncthreads();  // all have read this stage before the next loads overwrite it
    }
    float inverse[2];
    UNROLL
    for (int half = 0; half < 2; half++) {
        float sum = denominator[half];
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        inverse[half] = 1 / sum;
        const int t = query + 8 * half;
        if (lse != nullptr && lane % 4 == 0 && t < query_length) {
            lse[(i64)blockIdx.y * query_length + t] = largest[half] * scale + logf(sum);
        }
    }
    store_rows(out, b, h, query, query_length, sums, inverse);
}
