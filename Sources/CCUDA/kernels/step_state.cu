// SPDX-License-Identifier: MIT
// The step's scalars, float64[16] in device memory: loss, gradient norm, clip factor, finite flag, update count.

KERNEL(32) write_scalar(double *state, int index, double value) { state[index] = value; }

/// state[loss] += scale * sum(losses), in float64: a thread every 256th row, then a tree.
KERNEL(256) accumulate_loss(double *state, const float *losses, int rows, double scale) {
    SHARED(double, sums, 256);
    double sum = 0;
    for (int r = threadIdx.x; r < rows; r += 256) sum += losses[r];
    sums[threadIdx.x] = sum;
    for (int half = 128; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    }
    if (threadIdx.x == 0) state[STATE_LOSS] += scale * sums[0];
}

enum { NORM_BLOCK = 65536 };  // elements of one partial sum of squares, as on the CPU

/// partial[b] = sum of squares of block b's gradients, a warp a block. Lane i adds elements i, i + 32, ... and the lanes are
/// added in order; squares of floats are exact in float64: the CPU's sums, bit by bit.
KERNEL(256) global_norm_partial(double *partial, const float *gradients, i64 count) {
    const int lane = threadIdx.x % 32;
    const i64 block = (i64)blockIdx.x * 8 + threadIdx.x / 32, begin = block * NORM_BLOCK;
    if (begin >= count) return;
    const i64 end = begin + NORM_BLOCK < count ? begin + NORM_BLOCK : count;
    double sum = 0, total = 0;
    for (i64 i = begin + lane; i < end; i += 32) sum += (double)gradients[i] * (double)gradients[i];
    for (int l = 0; l < 32; l++) total += __shfl_sync(ALL_LANES, sum, l);
    if (lane == 0) partial[block] = total;
}

/// Adds the partial sums in order, and says whether the update may happen and how much gradients shrink.
KERNEL(256) global_norm_finish(double *state, const double *partial, int blocks) {
    SHARED(double, tile, 256);
    double sum = 0;
    for (int first = 0; first < blocks; first += 256) {
        if (first + (int)threadIdx.x < blocks) tile[threadIdx.x] = partial[first + threadIdx.x];
        __syncthreads();
        // One thread adds, since the order counts; the others only fetch.
        for (int i = 0; threadIdx.x == 0 && i < min(256, blocks - first); i++) sum += tile[i];
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    const double norm = sqrt(sum), loss = state[STATE_LOSS], clip = state[STATE_GRAD_CLIP];
    // x - x is 0 for finite x only.
    const bool finite = norm - norm == 0 && loss - loss == 0;
    // fmin would take 1 where the norm is not a number, and so does the CPU; such an update does not happen.
    state[STATE_GRAD_NORM] = norm;
    state[STATE_FINITE] = finite ? 1 : 0;
    state[STATE_CLIP_FACTOR] = clip > 0 ? fmin(1.0, clip / (norm + 1e-6)) : 1;
}

/// Counts this update when it happens; comes before the step's adamw_update.
KERNEL(32) begin_update(double *state) {
    if (state[STATE_FINITE] == 1) state[STATE_UPDATES] += 1;
}
