// SPDX-License-Identifier: MIT
// dq = scale ds k on tensor cores: a block 64 queries of one head, walking over the keys they see; ds as in
// attention_backward_keys.cu, with queries as rows.

KERNEL(128) attention_backward_queries(
    heads_t dq, heads_t dout, heads_t q, heads_t k, heads_t v, const float *lse, const float *delta, int heads,
    int query_length, int key_length, float scale, dropout_t dropout, const double *state) {
    const shared<bf16> q_tile = DYNAMIC_SHARED(bf16), dout_tile = q_tile + TILE_SIZE, k_tiles = dout_tile + TILE_SIZE;
    const shared<bf16> v_tiles = k_tiles + STAGES * TILE_SIZE;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    const int first = (gridDim.x - 1 - blockIdx.x) * TILE, offset = key_length - query_length;
    const int query = first + 16 * warp + lane / 4;
    const int tiles = (min(key_length, offset + first + TILE) + TILE - 1) / TILE;
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;
    const float keep_factor = dropout.threshold != 0 ? dropout.scale : 1;

    load_tile(q_tile, q, b, h, first, query_length);
    load_tile(dout_tile, dout, b, h, first, query_length);
    load_tile(k_tiles, k, b, h, 0, key_length);
    load_tile(v_tiles, v, b, h, 0, key_length);
    commit_copies();
    float row_lse[2], row_delta[2];
    UNROLL
    for (int half = 0; half < 2; half++) {
        const int t = query + 8 * half;
        const i64 row = (i64)blockIdx.y * query_length + t;
        row_lse[half] = t < query_length ? lse[row] * LOG2_E : 0;
        row_delta[half] = t < query_length ? delta[row] : 0;
    }
    float sums[HEAD_BLOCKS][4] = {};
    for (int tile = 0; tile < tiles; tile++) {
        const int stage = STAGES == 2 ? tile % 2 : 0, next = (tile + 1) * TILE;
        if (STAGES == 2 && tile + 1 < tiles) {
            load_tile(k_tiles + (1 - stage) * TILE_SIZE, k, b, h, next, key_length);
            load_tile(v_tiles + (1 - stage) * TILE_SIZE, v, b, h, next, key_length);
            commit_copies();
            wait_copies<1>();
        } else {
            wait_copies<0>();
        }
        __syncthreads();
        float p[TOKEN_BLOCKS][4] = {}, ds[TOKEN_BLOCKS][4] = {};
        multiply_along_head(p, q_tile, 16 * warp, k_tiles + stage * TILE_SIZE);
        multiply_along_head(ds, dout_tile, 16 * warp, v_tiles + stage * TILE_SIZE);
        u32 kept = 0xffffffffu;
        if (dropout.threshold != 0) {
            const u64 row = (u64)h * key_length + offset + first + 16 * warp;
            kept = kept_weights<false>(dropout, sample, row * key_length + tile * TILE, key_length);
        }
        UNROLL
        for (int n = 0; n < TOKEN_BLOCKS; n++) {
            UNROLL
            for (int e = 0; e < 4; e++) {
                const int half = e / 2, t = query + 8 * half, s = tile * TILE + 8 * n + lane % 4 * 2 + e % 2;
                const bool seen = s <= offset + t && t < query_length;
                const float weight = seen ? fast_exp2(p[n][e] * (scale * LOG2_E) - row_lse[half]) : 0;
                const float factor = kept >> (4 * n + e) & 1 ? keep_factor : 0;
                ds[n][e] = weight * (factor * ds[n][e] - row_delta[half]);
            }
        }
        multiply_along_tokens(sums, ds, k_tiles + stage * TILE_SIZE);
        __syncthreads();  // all have read this stage
        if (STAGES == 1 && tile + 1 < tiles) {
            load_tile(k_tiles, k, b, h, next, key_length);
            load_tile(v_tiles, v, b, h, next, key_length);
            commit_copies();
        }
    }
    store_rows(dq, b, h, query, query_length, sums, {scale, scale});
}
