// SPDX-License-Identifier: MIT
// dq, dk and dv together, when two runs need not agree to the bit: 5 products instead of the 7 that attention_backward_keys.cu and
// attention_backward_queries.cu take, and one evaluation of weights and masks instead of two. A block owns some keys of one head
// and walks over the queries that see them, as there; what its keys add to dq goes into float32 sums in global memory by atomic
// additions, whose order differs from run to run. The last kernel turns the sums into dq.
// Source: Dao, FlashAttention-2, arXiv 2307.08691, section 3.1.

enum {
    // More keys a block are fewer additions to memory; heads above 96 leave no room for them in 99 KiB of shared memory.
    FAST_KEY_TILES = HEAD_SIZE <= 96 ? 2 : 1,
    FAST_KEYS = TILE * FAST_KEY_TILES,
    FAST_THREADS = TILE_THREADS * FAST_KEY_TILES,
    FAST_STAGES = HEAD_SIZE <= 64 ? 2 : 1,
    // Small heads keep the values in registers, and the score gradients lie where they were.
    FAST_HOLDS_VALUES = HEAD_SIZE <= 64 ? 1 : 0,
    FAST_ROW = TILE + 8,  // elements from a key to the next among the score gradients; 8 as in TILE_ROW
    FAST_KEY_SIZE = FAST_KEYS * TILE_ROW,
    FAST_GRADIENT_SIZE = FAST_KEYS * FAST_ROW,
    FAST_DQ_STEPS = (HEAD_STEPS + FAST_KEY_TILES - 1) / FAST_KEY_TILES,  // 16 columns each, of a warp's dq
    FAST_PATCH = 256,     // sums of 16 queries and 16 columns, in the order in which lanes hold them
};

/// Where the sums of 16 queries from 16 * quarter of a tile on, and 16 columns, lie.
DEVICE i64 patch_of(i64 row, int query_length, int tile, int quarter, int step) {
    const int tiles = (query_length + TILE - 1) / TILE;
    return (((row * tiles + tile) * 4 + quarter) * HEAD_STEPS + step) * FAST_PATCH;
}

/// c[16, 64] += 16 rows held in registers times `right` transposed, along the head.
DEVICE void multiply_held(float (&c)[TOKEN_BLOCKS][4], const u32 (&left)[HEAD_STEPS][4], shared<bf16> right) {
    UNROLL
    for (int k = 0; k < HEAD_STEPS; k++) {
        UNROLL
        for (int n = 0; n < TOKEN_BLOCKS; n += 2) {
            u32 b[4];
            right_operand_transposed(b, right, 8 * n, 16 * k);
            mma(c[n], left[k], b[0], b[1]);
            mma(c[n + 1], left[k], b[2], b[3]);
        }
    }
}

/// Stores score gradients of 16 keys, of which this lane's first is `row`, and 64 queries.
DEVICE void share_gradients(shared<bf16> to, int row, const float (&ds)[TOKEN_BLOCKS][4]) {
    const int t = threadIdx.x % 4;
    UNROLL
    for (int n = 0; n < TOKEN_BLOCKS; n++) {
        UNROLL
        for (int half = 0; half < 2; half++) {
            shared<u32> at = shared_cast<u32>(to + ((row + 8 * half) * FAST_ROW + 8 * n + 2 * t));
            at[0] = pack_bf16(ds[n][2 * half], ds[n][2 * half + 1]);
        }
    }
}

/// Adds ds k of 16 queries to their sums: the columns of every FAST_KEY_TILES-th step from `part` on.
DEVICE void add_queries(float *sums, shared<bf16> gradients, int quarter, int part, shared<bf16> keys) {
    const int lane = threadIdx.x % 32;
    float c[2 * FAST_DQ_STEPS][4] = {};
    UNROLL
    for (int k = 0; k < FAST_KEYS / 16; k++) {
        u32 a[4], b[4];
        // The left operand's rows are the columns of what lies there: rows k and k + 8 give its columns.
        load_matrices_transposed(a, gradients + ((16 * k + lane % 8 + lane / 16 * 8) * FAST_ROW + 16 * quarter + lane / 8 % 2 * 8));
        UNROLL
        for (int i = 0; i < FAST_DQ_STEPS; i++) {
            const int step = FAST_KEY_TILES * i + part;
            if (step >= HEAD_STEPS) continue;  // the same in the whole warp
            right_operand(b, keys, 16 * k, 16 * step);
            mma(c[2 * i], a, b[0], b[1]);
            mma(c[2 * i + 1], a, b[2], b[3]);
        }
    }
    UNROLL
    for (int i = 0; i < FAST_DQ_STEPS; i++) {
        const int step = FAST_KEY_TILES * i + part;
        if (step >= HEAD_STEPS) continue;
        add_fragment(sums + step * FAST_PATCH, c[2 * i]);
        add_fragment(sums + step * FAST_PATCH + FAST_PATCH / 2, c[2 * i + 1]);
    }
}

/// dq_sums: zeros, [B NH, tiles of queries, 64, HS] float32 in an order of its own.
KERNEL(FAST_THREADS) attention_backward_fast(
    float *dq_sums, heads_t dk, heads_t dv, heads_t dout, heads_t q, heads_t k, heads_t v, const float *lse,
    const float *delta, int heads, int query_length, int key_length, float scale, dropout_t dropout, const double *state) {
    const shared<bf16> k_tile = DYNAMIC_SHARED(bf16), v_tile = k_tile + FAST_KEY_SIZE;
    const shared<bf16> gradients = FAST_HOLDS_VALUES ? v_tile : v_tile + FAST_KEY_SIZE;
    const int largest = FAST_GRADIENT_SIZE > FAST_KEY_SIZE ? FAST_GRADIENT_SIZE : FAST_KEY_SIZE;
    const shared<bf16> q_tiles = FAST_HOLDS_VALUES ? v_tile + largest : gradients + FAST_GRADIENT_SIZE;
    const shared<bf16> dout_tiles = q_tiles + FAST_STAGES * TILE_SIZE;
    const shared<float> row_lse = shared_cast<float>(dout_tiles + FAST_STAGES * TILE_SIZE), row_delta = row_lse + TILE;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    const int first = blockIdx.x * FAST_KEYS, offset = key_length - query_length;
    const int own = 16 * warp + lane / 4, key = first + own;  // of this lane's first row; the second is 8 further
    const int begin = max(0, first - offset) / TILE, tiles = (query_length + TILE - 1) / TILE;
    const i64 rows = (i64)blockIdx.y * query_length;  // where this head's rows of lse and delta start
    const u64 sample = dropout.threshold != 0 ? global_sample(state, b) : 0;
    const float keep_factor = dropout.threshold != 0 ? dropout.scale : 1;

    load_tile<FAST_KEYS, FAST_THREADS>(k_tile, k, b, h, first, key_length);
    load_tile<FAST_KEYS, FAST_THREADS>(v_tile, v, b, h, first, key_length);
    load_tile<TILE, FAST_THREADS>(q_tiles, q, b, h, begin * TILE, query_length);
    load_tile<TILE, FAST_THREADS>(dout_tiles, dout, b, h, begin * TILE, query_length);
    commit_copies();
    u32 values[HEAD_STEPS][4];
    float dk_sums[HEAD_BLOCKS][4] = {}, dv_sums[HEAD_BLOCKS][4] = {};
    for (int tile = begin; tile < tiles; tile++) {
        const int stage = FAST_STAGES == 2 ? (tile - begin) % 2 : 0, next = (tile + 1) * TILE;
        if (FAST_STAGES == 2 && tile + 1 < tiles) {
            load_tile<TILE, FAST_THREADS>(q_tiles + (1 - stage) * TILE_SIZE, q, b, h, next, query_length);
            load_tile<TILE, FAST_THREADS>(dout_tiles + (1 - stage) * TILE_SIZE, dout, b, h, next, query_length);
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
        if (FAST_HOLDS_VALUES && tile == begin) {
            UNROLL
            for (int i = 0; i < HEAD_STEPS; i++) left_operand(values[i], v_tile, 16 * warp, 16 * i);
            __syncthreads();  // all have read the values: score gradients may take their place
        }
        float p[TOKEN_BLOCKS][4] = {}, ds[TOKEN_BLOCKS][4] = {};
        // Near the diagonal a warp's keys may come after all queries of the tile.
        if (first + 16 * warp < offset + (tile + 1) * TILE) {
            multiply_along_head(p, k_tile, 16 * warp, q_tile);
            if (FAST_HOLDS_VALUES) multiply_held(ds, values, dout_tile);
            else multiply_along_head(ds, v_tile, 16 * warp, dout_tile);
            u32 kept = 0xffffffffu;
            if (dropout.threshold != 0) {
                const u64 row = (u64)h * key_length + offset + tile * TILE;
                kept = kept_weights<true>(dropout, sample, row * key_length + first + 16 * warp, key_length);
            }
            weigh_keys(p, ds, kept, keep_factor, lane, key, tile, offset, query_length, scale, row_lse, row_delta);
            multiply_along_tokens(dv_sums, p, dout_tile);
            multiply_along_tokens(dk_sums, ds, q_tile);
        }
        share_gradients(gradients, own, ds);
        __syncthreads();  // score gradients are there, and all have read this stage
        if (FAST_STAGES == 1 && tile + 1 < tiles) {
            load_tile<TILE, FAST_THREADS>(q_tiles, q, b, h, next, query_length);
            load_tile<TILE, FAST_THREADS>(dout_tiles, dout, b, h, next, query_length);
            commit_copies();
        }
        // The next score gradients come after the next tile's first barrier.
        add_queries(dq_sums + patch_of(blockIdx.y, query_length, tile, warp % 4, 0), gradients, warp % 4, warp / 4, k_tile);
    }
    store_rows(dk, b, h, key, key_length, dk_sums, {scale, scale});
    store_rows(dv, b, h, key, key_length, dv_sums, {1, 1});
}

/// dq = scale times the sums
KERNEL(128) attention_backward_dq(heads_t dq, const float *dq_sums, int heads, int query_length, float scale) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, h = blockIdx.y % heads, b = blockIdx.y / heads;
    float sums[HEAD_BLOCKS][4];
    UNROLL
    for (int d = 0; d < HEAD_BLOCKS; d++) {
        load_fragment(sums[d], dq_sums + patch_of(blockIdx.y, query_length, blockIdx.x, warp, d / 2) + d % 2 * (FAST_PATCH / 2));
    }
    store_rows(dq, b, h, (int)blockIdx.x * TILE + 16 * warp + lane / 4, query_length, sums, {scale, scale});
}
