// SPDX-License-Identifier: MIT
// Sums over rows in a fixed order: of the blocks' share first, of the blocks then.

/// Sum of a warp's 32 columns over the block's 8 warps, in the order of the warps; right in warp 0.
DEVICE float sum_of_warps(float value, shared<float> sums) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    sums[threadIdx.x] = value;
    __syncthreads();
    float total = 0;
    for (int w = 0; warp == 0 && w < 8; w++) total += sums[32 * w + lane];
    return total;
}

/// partial[y] = sum of block y's rows of x, act [R, N]: the first half of a bias's gradient.
KERNEL(256) column_partial(float *partial, const act *x, int rows, int width, int rows_per_block) {
    SHARED(float, sums, 256);
    const int column = blockIdx.x * 32 + threadIdx.x % 32;
    const int begin = blockIdx.y * rows_per_block, end = min(rows, begin + rows_per_block);
    float sum = 0;
    if (column < width) {
        for (int row = begin + (int)threadIdx.x / 32; row < end; row += 8) sum += get(x, (i64)row * width + column);
    }
    sum = sum_of_warps(sum, sums);
    if (threadIdx.x < 32 && column < width) partial[(i64)blockIdx.y * width + column] = sum;
}

/// first += sum over blocks of partial's plane 0, second += of plane 1; partial is [blocks, planes, N] float32.
KERNEL(256) column_combine(float *first, float *second, const float *partial, int blocks, int planes, int width) {
    SHARED(float, sums, 256);
    const int column = blockIdx.x * 32 + threadIdx.x % 32;
    float *to = blockIdx.y == 0 ? first : second;
    float sum = 0;
    if (column < width && to != nullptr) {
        for (int b = threadIdx.x / 32; b < blocks; b += 8) sum += partial[((i64)b * planes + blockIdx.y) * width + column];
    }
    sum = sum_of_warps(sum, sums);
    if (threadIdx.x < 32 && column < width && to != nullptr) to[column] += sum;
}
