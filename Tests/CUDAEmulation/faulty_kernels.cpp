// SPDX-License-Identifier: MIT
// Kernels with one fault each, which prove that the machine finds it. None of them is a kernel of the product.
#include "table.h"

namespace faulty {
#include "../../Sources/CCUDA/kernels/prelude.cu"

/// One lane waits for its warp, which waits for the block.
KERNEL(64) faulty_divergent_barrier(int *out) {
    if (threadIdx.x == 40) __syncwarp();
    __syncthreads();
    out[threadIdx.x] = 1;
}

/// A shuffle that only some lanes come to.
KERNEL(64) faulty_divergent_shuffle(int *out) {
    int value = (int)threadIdx.x;
    if (threadIdx.x % 2 == 0) value = __shfl_xor_sync(ALL_LANES, value, 1);
    out[threadIdx.x] = value;
}

/// Reads what another warp wrote, without a barrier.
KERNEL(64) faulty_missing_barrier(int *out) {
    SHARED(int, x, 64);
    x[threadIdx.x] = (int)threadIdx.x;
    out[threadIdx.x] = x[63 - threadIdx.x];
}

/// Overwrites what another warp may still read.
KERNEL(64) faulty_early_write(int *out) {
    SHARED(int, x, 64);
    x[threadIdx.x] = (int)threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = x[63 - threadIdx.x];
    x[threadIdx.x] = 0;
}

KERNEL(64) faulty_unwritten(int *out) {
    SHARED(int, x, 64);
    if (threadIdx.x != 7) x[threadIdx.x] = 1;
    __syncthreads();
    out[threadIdx.x] = x[threadIdx.x];
}

KERNEL(64) faulty_out_of_range(int *out) {
    SHARED(int, x, 64);
    SHARED(int, y, 64);
    y[threadIdx.x] = 0;
    x[threadIdx.x + 1] = 1;
    out[threadIdx.x] = y[threadIdx.x];
}

KERNEL(64) faulty_copy_not_waited_for(int *out, const bf16 *from) {
    const shared<bf16> x = DYNAMIC_SHARED(bf16);
    copy_async16(x + 8 * (int)threadIdx.x, from + 8 * (int)threadIdx.x, true);
    commit_copies();
    wait_copies<1>();
    __syncthreads();
    out[threadIdx.x] = ((bf16)x[8 * (int)threadIdx.x]).bits;
}

KERNEL(64) faulty_misaligned_load(int *out, const float *from) {
    out[threadIdx.x] = (int)load16(from + threadIdx.x).x;
}

/// Reads a sum that other threads still add to.
KERNEL(64) faulty_early_sum(int *out) {
    SHARED(u32, x, 1);
    if (threadIdx.x == 0) x[0] = 0;
    __syncthreads();
    atomic_add(x, 1u);
    __syncwarp();
    out[threadIdx.x] = (int)x[0];
}

/// Adds to what another thread has just cleared.
KERNEL(64) faulty_late_clear(int *out) {
    SHARED(u32, x, 1);
    if (threadIdx.x == 0) x[0] = 0;
    atomic_add(x, 1u);
    __syncthreads();
    out[threadIdx.x] = (int)x[0];
}

/// All add at once: right.
KERNEL(64) faultless_sum(int *out) {
    SHARED(u32, x, 1);
    if (threadIdx.x == 0) x[0] = 0;
    __syncthreads();
    atomic_add(x, threadIdx.x);
    __syncthreads();
    out[threadIdx.x] = (int)x[0];
}

/// Waits within the warp only, for what another lane wrote: right.
KERNEL(64) faultless_warp(int *out) {
    SHARED(int, x, 64);
    x[threadIdx.x] = (int)threadIdx.x;
    __syncwarp();
    out[threadIdx.x] = x[threadIdx.x ^ 1];
}
}  // namespace faulty

std::vector<apus_emulated_entry> emulated::faulty_kernels() {
    std::vector<apus_emulated_entry> table;
#define ENTRY(name) table.push_back(entry<&faulty::name>(#name, ANY_ACT, ANY_HEAD, 64));
    ENTRY(faulty_divergent_barrier)
    ENTRY(faulty_divergent_shuffle)
    ENTRY(faulty_missing_barrier)
    ENTRY(faulty_early_write)
    ENTRY(faulty_unwritten)
    ENTRY(faulty_out_of_range)
    ENTRY(faulty_copy_not_waited_for)
    ENTRY(faulty_misaligned_load)
    ENTRY(faulty_early_sum)
    ENTRY(faulty_late_clear)
    ENTRY(faultless_sum)
    ENTRY(faultless_warp)
#undef ENTRY
    return table;
}
