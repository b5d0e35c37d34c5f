// SPDX-License-Identifier: MIT
// dk and dv on tensor cores: a block 64 keys of one head, walking over the queries that see them. With p the softmax's
// weights, m their dropout factors: dv = (m p)^T dout, ds = p (m (dout v^T) - delta), dk = scale ds^T q. Scores are held
// transposed (rows are keys), so that p and ds are left operands as they are. dq is another kernel's, which computes the scores
// again: 7 products instead of 5, but no atomics, so that two runs agree to the bit.

KERNEL(128) attention_backward_keys(
    heads_t dk, heads_t dv, heads_t dout, heads_t q, heads_t k, heads_t v, const float *lse, const float *delta, int heads,
    int query_length, int key_length, float scale, dropout_t dropout, const double *state) {
    const shared<bf16> k_tile = DYNAMIC_SHARED(bf16), v_tile = k_tile + TILE_SIZE, q_tiles = v_tile + TILE_SIZE;
    const shared<bf16> dout_tiles = q_tiles + STAGES * TILE_SIZE;
    const shared<float> row_lse = shared_cast<float>(dout_tiles + STAGES * TILE_SIZE), row_delta = row_lse + TILE;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    const int first = blockIdx.x * TILE, offset = key_length - query_length;
    const int key = first + 16 * warp + lane / 4;  // of this lane's first row; the second is 8 further
    const int begin = max(0, first - offset) / TILE, tiles = (query_length + TILE - 1) / TILE;
    const i64 rows = (i64)blockIdx.y * query_length;  // where this head's rows of lse and delta start
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;
    const float keep_factor = dropout.threshold != 0 ? dropout.scale : 1;

    load_tile(k_tile, k, b, h, first, key_length);
    load_tile(v_tile, v, b, h, first, key_length);
    load_tile(q_tiles, q, b, h, begin * TILE, query_length);
    load_tile(dout_tiles, dout, b, h, begin * TILE, query_length);
    commit_copies();
    float dk_sums[HEAD_BLOCKS][4] = {}, dv_sums[HEAD_BLOCKS][4] = {};
    for (int tile = begin; tile < tiles; tile++) {
        const int stage = STAGES == 2 ? (tile - begin) % 2 : 0, next = (tile + 1) * TILE;
        if (STAGES == 2 && tile + 1 < tiles) {
            load_tile(q_tiles + (1 - stage) * TILE_SIZE, q, b, h, next, query_length);
            load_tile(dout_tiles + (1 - stage) * TILE_SIZE, dout, b, h, next, query_length);
            commit_copies();
            wait_copies<1>();
        } else {
            wait_copies<0>();
        }
        if (threadIdx.x < TILE) {
            const int t = tile * TILE + threadIdx.x;
            row_lse[threadIdx.x] = t < query_length ? lse[rows + t] * LOG2_E : 0;
            row_delta[threadIdx.x] = t < query_length ? delta[rows + t] : 0;
        }
        __syncthreads();
        const shared<bf16> q_tile = q_tiles + stage * TILE_SIZE, dout_tile = dout_tiles + stage * TILE_SIZE;
        float p[TOKEN_BLOCKS][4] = {}, ds[TOKEN_BLOCKS][4] = {};
        multiply_along_head(p, k_tile, 16 * warp, q_tile);
        multiply_along_head(ds, v_tile, 16 * warp, dout_tile);
        u32 kept = 0xffffffffu;
        if (dropout.threshold != 0) {
            const u64 row = (u64)h * key_length + offset + tile * TILE;
            kept = kept_weights<true>(dropout, sample, row * key_length + first + 16 * warp, key_length);
        }
        weigh_keys(p, ds, kept, keep_factor, lane, key, tile, offset, query_length, scale, row_lse, row_delta);
        multiply_along_tokens(dv_sums, p, dout_tile);
        multiply_along_tokens(dk_sums, ds, q_tile);
        __syncthreads();  // all have read this stage
        if (STAGES == 1 && tile + 1 < tiles) {
            load_tile(q_tiles, q, b, h, next, query_length);
            load_tile(dout_tiles, dout, b, h, next, query_length);
            commit_copies();
        }
    }
    store_rows(dk, b, h, key, key_length, dk_sums, {scale, scale});
    store_rows(dv, b, h, key, key_length, dv_sums, {1, 1});
}
