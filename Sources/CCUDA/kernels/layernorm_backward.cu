// SPDX-License-Identifier: MIT
// With g = dout * weight and n = (x - mean) * rstd: dx += (g - mean(g) - n * mean(g * n)) * rstd, and the sums over rows
// dweight = dout * n, dbias = dout. A block goes over its own rows a tile at a time: first a warp a row for dx, then a
// thread a column for the sums, which finds the tile in cache. `column_combine` adds up the blocks' sums in order.

enum { LAYERNORM_TILE = 16 };  // rows; their x and dout stay in the L1 cache between the two uses

/// dx of one row, by a warp.
DEVICE void layernorm_row(
    float *dx, const act *dout, const float *x, const float *weight, float mean, float rstd, int width, int whole) {
    const int lane = threadIdx.x % 32;
    float sum = 0, product = 0;  // of g and of g * n
    for (int c = 4 * lane; c < whole; c += 128) {
        const four d = get4(dout, c), w = get4(weight, c), f = get4(x, c);
        UNROLL
        for (int i = 0; i < 4; i++) {
            const float g = d.v[i] * w.v[i];
            sum += g;
            product += g * ((f.v[i] - mean) * rstd);
        }
    }
    for (int c = whole + lane; c < width; c += 32) {
        const float g = get(dout, c) * weight[c];
        sum += g;
        product += g * ((x[c] - mean) * rstd);
    }
    const float mean_g = warp_sum(sum) / width, mean_gn = warp_sum(product) / width;
    for (int c = 4 * lane; c < whole; c += 128) {
        const four d = get4(dout, c), w = get4(weight, c), f = get4(x, c);
        four to = get4(dx, c);
        UNROLL
        for (int i = 0; i < 4; i++) to.v[i] += (d.v[i] * w.v[i] - mean_g - (f.v[i] - mean) * rstd * mean_gn) * rstd;
        set4(dx, c, to);
    }
    for (int c = whole + lane; c < width; c += 32) {
        dx[c] += (get(dout, c) * weight[c] - mean_g - (x[c] - mean) * rstd * mean_gn) * rstd;
    }
}

KERNEL(256) layernorm_backward(
    float *dx, float *partial, const act *dout, const float *x, const float *weight, const float *mean, const float *rstd,
    int rows, int width, int rows_per_block) {
    const int begin = blockIdx.x * rows_per_block, end = min(rows, begin + rows_per_block);
    float *dweight = partial + (i64)blockIdx.x * 2 * width, *dbias = dweight + width;
    const bool vectors = by_four(dx) && by_four(dout) && by_four(x) && by_four(weight);
    const int whole = width % 4 == 0 && vectors ? width : 0;
    for (int tile = begin; tile < end; tile += LAYERNORM_TILE) {
        const int tile_end = min(end, tile + LAYERNORM_TILE);
        for (int row = tile + (int)threadIdx.x / 32; row < tile_end; row += 8) {
            const i64 at = (i64)row * width;
            layernorm_row(dx + at, dout + at, x + at, weight, mean[row], rstd[row], width, whole);
        }
        // A thread meets the same columns in every tile, so that nobody waits for anybody.
        for (int c = threadIdx.x; c < width; c += 256) {
            float weight_sum = tile == begin ? 0 : dweight[c], bias_sum = tile == begin ? 0 : dbias[c];
            for (int row = tile; row < tile_end; row++) {
                const i64 at = (i64)row * width + c;
                const float d = get(dout, at);
                weight_sum += d * ((x[at] - mean[row]) * rstd[row]);
                bias_sum += d;
            }
            dweight[c] = weight_sum;
            dbias[c] = bias_sum;
        }
    }
}
