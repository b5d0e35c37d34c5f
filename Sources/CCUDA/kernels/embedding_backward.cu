// SPDX-License-Identifier: MIT
// dtable[indices[r]] += dout[r], in the order of r: the same sums as the CPU's, bit by bit, without atomics or sorting.
//
// An element of the table belongs to one thread: block x owns the rows of the table whose index has remainder x, block y and
// the thread own a column. Every block looks at all indices, a tile at a time, and lists those that are its own. A row's sum
// stays in a register as long as the same index comes again, as in the runs that a frequent token makes.

enum { EMBEDDING_TILE = 256, EMBEDDING_AHEAD = 8 };  // indices looked at together; rows loaded before they are added

KERNEL(256) embedding_backward(float *dtable, const float *dout, const int *indices, int rows, int width) {
    SHARED(int, found, 8);                      // matches of each warp
    SHARED(int, match_row, EMBEDDING_TILE);     // in the order of r
    SHARED(int, match_index, EMBEDDING_TILE);
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, column = blockIdx.y * 256 + threadIdx.x;
    const bool active = column < width;
    int current = -1;  // the index whose sum the register holds
    float sum = 0;
    for (int first = 0; first < rows; first += EMBEDDING_TILE) {
        const int row = first + threadIdx.x, index = row < rows ? indices[row] : -1;
        const bool mine = row < rows && (u32)index % gridDim.x == blockIdx.x;
        const u32 votes = __ballot_sync(ALL_LANES, mine);
        if (lane == 0) found[warp] = __popc(votes);
        __syncthreads();
        int before = 0, total = 0;
        for (int w = 0; w < 8; w++) {
            if (w == warp) before = total;
            total += found[w];
        }
        if (mine) {
            const int place = before + __popc(votes & ((1u << lane) - 1));
            match_row[place] = row;
            match_index[place] = index;
        }
        __syncthreads();
        for (int m = 0; active && m < total; m += EMBEDDING_AHEAD) {
            // Loads do not wait for each other; only the additions have an order.
            float ahead[EMBEDDING_AHEAD];
            UNROLL
            for (int j = 0; j < EMBEDDING_AHEAD; j++) {
                if (m + j < total) ahead[j] = dout[(i64)match_row[m + j] * width + column];
            }
            UNROLL
            for (int j = 0; j < EMBEDDING_AHEAD; j++) {
                if (m + j >= total) break;
                const int next = match_index[m + j];
                if (next != current) {
                    if (current >= 0) dtable[(i64)current * width + column] = sum;
                    current = next;
                    sum = dtable[(i64)current * width + column];
                }
                sum += ahead[j];
            }
        }
    }
    if (active && current >= 0) dtable[(i64)current * width + column] = sum;
}
