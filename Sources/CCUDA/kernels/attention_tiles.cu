// SPDX-License-Identifier: MIT
// What the tensor-core attention kernels share. Tiles are 64 tokens of one head; four warps own 16 rows each.
//
// A tile in shared memory is [64][HEAD_SIZE + 8] bfloat16: the 16 bytes behind each row make the eight rows that a matrix load
// reads start in different banks. Accumulators and operands: see `mma` in prelude.cu; the columns 2t, 2t + 1 of an accumulator
// are the layout of a left operand, so that weights go from one product to the next without leaving the registers.
// Source: Dao, FlashAttention-2, arXiv 2307.08691.

enum {
    TILE = 64,
    TILE_THREADS = 128,
    TILE_ROW = HEAD_SIZE + 8,        // elements from a row of a tile to the next
    TILE_SIZE = TILE * TILE_ROW,
    HEAD_STEPS = HEAD_SIZE / 16,     // products along the head
    HEAD_BLOCKS = HEAD_SIZE / 8,     // accumulators that a head's columns make
    TOKEN_STEPS = TILE / 16,
    TOKEN_BLOCKS = TILE / 8,
    // Buffers of the tiles that a backward kernel walks over: two hide the loads, one leaves room for more blocks.
    STAGES = HEAD_SIZE > 32 ? 1 : 2,
};

/// Starts loading tokens [first, first + Rows) of a head; those from `length` on become zeros.
template <int Rows = TILE, int Threads = TILE_THREADS>
DEVICE void load_tile(shared<bf16> to, heads_t view, i64 b, i64 h, int first, int length) {
    for (int chunk = threadIdx.x; chunk < Rows * HEAD_SIZE / 8; chunk += Threads) {
        const int row = chunk / (HEAD_SIZE / 8), column = chunk % (HEAD_SIZE / 8) * 8, t = first + row;
        // The address is valid even where nothing is wanted.
        copy_async16(to + (row * TILE_ROW + column), token<bf16>(view, b, h, min(t, length - 1)) + column, t < length);
    }
}

/// 16 rows from `row` on and 16 columns from `column` on, as a left operand.
DEVICE void left_operand(u32 (&a)[4], shared<bf16> tile, int row, int column) {
    const int lane = threadIdx.x % 32;
    load_matrices(a, tile + ((row + lane % 16) * TILE_ROW + column + lane / 16 * 8));
}

/// 16 rows as two right operands of 8 columns, for a product with the tile transposed: (b[0], b[1]), (b[2], b[3]).
DEVICE void right_operand_transposed(u32 (&b)[4], shared<bf16> tile, int row, int column) {
    const int lane = threadIdx.x % 32;
    load_matrices(b, tile + ((row + lane % 8 + lane / 16 * 8) * TILE_ROW + column + lane / 8 % 2 * 8));
}

/// 16 rows and 16 columns as two right operands of 8 columns, for a product with the tile as it lies.
DEVICE void right_operand(u32 (&b)[4], shared<bf16> tile, int row, int column) {
    const int lane = threadIdx.x % 32;
    load_matrices_transposed(b, tile + ((row + lane % 16) * TILE_ROW + column + lane / 16 * 8));
}

/// Accumulators of 16 columns from 16 * step on, rounded to bfloat16, as a left operand.
DEVICE void weights_operand(u32 (&a)[4], const float (&c)[TOKEN_BLOCKS][4], int step) {
    a[0] = pack_bf16(c[2 * step][0], c[2 * step][1]);
    a[1] = pack_bf16(c[2 * step][2], c[2 * step][3]);
    a[2] = pack_bf16(c[2 * step + 1][0], c[2 * step + 1][1]);
    a[3] = pack_bf16(c[2 * step + 1][2], c[2 * step + 1][3]);
}

/// c[16, 64] += rows [row, row + 16) of `left` times `right` transposed, along the head.
DEVICE void multiply_along_head(float (&c)[TOKEN_BLOCKS][4], shared<bf16> left, int row, shared<bf16> right) {
    UNROLL
    for (int k = 0; k < HEAD_STEPS; k++) {
        u32 a[4];
        left_operand(a, left, row, 16 * k);
        UNROLL
        for (int n = 0; n < TOKEN_BLOCKS; n += 2) {
            u32 b[4];
            right_operand_transposed(b, right, 8 * n, 16 * k);
            mma(c[n], a, b[0], b[1]);
            mma(c[n + 1], a, b[2], b[3]);
        }
    }
}

/// c[16, head] += weights[16, 64] times `right`, along the tokens.
DEVICE void multiply_along_tokens(
    float (&c)[HEAD_BLOCKS][4], const float (&weights)[TOKEN_BLOCKS][4], shared<bf16> right) {
    UNROLL
    for (int k = 0; k < TOKEN_STEPS; k++) {
        u32 a[4];
        weights_operand(a, weights, k);
        UNROLL
        for (int d = 0; d < HEAD_BLOCKS; d += 2) {
            u32 b[4];
            right_operand(b, right, 16 * k, 8 * d);
            mma(c[d], a, b[0], b[1]);
            mma(c[d + 1], a, b[2], b[3]);
        }
    }
}

/// Bit 4 n + e: whether the weight that accumulator [n][e] of this lane holds is kept, of 16 x 64 weights whose first is element
/// `corner`. Rows are queries and columns keys, or with `Transposed` the other way round; a query is `keys` elements long.
///
/// Four keys that follow each other share one evaluation of Philox. 16 x 8 weights are 32 such fours, one a lane, whose answers
/// the lanes then exchange: 8 evaluations a lane for 32 weights.
template <bool Transposed> DEVICE u32 kept_weights(dropout_t dropout, u64 sample, u64 corner, int keys) {
    const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
    u32 bits = 0;
    if (keys % 4 != 0) {
        // Fours do not begin where rows do.
        KEEP_LOOP
        for (int i = 0; i < 4 * TOKEN_BLOCKS; i++) {
            const int row = g + i % 4 / 2 * 8, column = 8 * (i / 4) + 2 * t + i % 2;
            const u64 query = Transposed ? column : row, key = Transposed ? row : column;
            bits |= (dropout_keeps(dropout, sample, corner + query * keys + key) ? 1u : 0u) << i;
        }
        return bits;
    }
    KEEP_LOOP
    for (int n = 0; n < TOKEN_BLOCKS; n++) {
        const u64 query = Transposed ? 8 * n + lane / 4 : lane / 2, key = Transposed ? lane % 4 * 4 : 8 * n + lane % 2 * 4;
        u32 words[4];
        dropout_words(words, dropout, sample, corner + query * keys + key);
        UNROLL
        for (int j = 0; j < 4; j++) bits |= (words[j] >= dropout.threshold ? 1u : 0u) << (4 * n + j);
    }
    u32 kept = 0;
    if (Transposed) {
        UNROLL
        for (int e = 0; e < 4; e++) {
            const u32 four = __shfl_sync(ALL_LANES, bits, (2 * t + e % 2) * 4 + g / 4 + e / 2 * 2);
            kept |= (four >> g % 4 & 0x11111111u) << e;
        }
    } else {
        UNROLL
        for (int half = 0; half < 2; half++) {
            const u32 four = __shfl_sync(ALL_LANES, bits, (g + 8 * half) * 2 + t / 2);
            kept |= (four >> t % 2 * 2 & 0x33333333u) << 2 * half;
        }
    }
    return kept;
}

/// What both backwards by keys make of 16 keys and a tile of queries: products k q in `p` become weights times their dropout
/// factors, products v dout in `ds` gradients of the scores. kept: from `kept_weights<true>`; key: this lane's first row, the
/// second is 8 further; row_lse, row_delta: of the tile's queries, the first times log2(e).
DEVICE void weigh_keys(
    float (&p)[TOKEN_BLOCKS][4], float (&ds)[TOKEN_BLOCKS][4], u32 kept, float keep_factor, int lane, int key, int tile,
    int offset, int query_length, float scale, shared<float> row_lse, shared<float> row_delta) {
    UNROLL
    for (int n = 0; n < TOKEN_BLOCKS; n++) {
        UNROLL
        for (int e = 0; e < 4; e++) {
            const int column = 8 * n + lane % 4 * 2 + e % 2, t = tile * TILE + column;
            const bool seen = key + e / 2 * 8 <= offset + t && t < query_length;
            const float weight = seen ? fast_exp2(p[n][e] * (scale * LOG2_E) - row_lse[column]) : 0;
            const float factor = kept >> (4 * n + e) & 1 ? keep_factor : 0;
            ds[n][e] = weight * (factor * ds[n][e] - row_delta[column]);
            p[n][e] = weight * factor;
        }
    }
}

/// Writes 16 rows times a factor each, [0] of row lane / 4 and [1] of the one 8 further; t: token of row lane / 4.
DEVICE void store_rows(
    heads_t view, i64 b, i64 h, int t, int length, const float (&c)[HEAD_BLOCKS][4], const float (&factor)[2]) {
    UNROLL
    for (int half = 0; half < 2; half++) {
        if (t + 8 * half >= length) continue;
        bf16 *to = token<bf16>(view, b, h, t + 8 * half) + threadIdx.x % 4 * 2;
        UNROLL
        for (int d = 0; d < HEAD_BLOCKS; d++) {
            store4(to + 8 * d, pack_bf16(c[d][2 * half] * factor[half], c[d][2 * half + 1] * factor[half]));
        }
    }
}
