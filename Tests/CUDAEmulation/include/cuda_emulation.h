// SPDX-License-Identifier: MIT
// Runs the CUDA kernels of Sources/CCUDA/kernels on the CPU, for tests: one fiber a CUDA thread, one block at a time.
#ifndef APUS_CUDA_EMULATION_H
#define APUS_CUDA_EMULATION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// One compiled variant of a kernel.
typedef struct apus_emulated_entry apus_emulated_kernel_t;

/// What cuLaunchKernel is told.
typedef struct {
    uint32_t grid[3];
    uint32_t block[3];
    size_t shared_bytes;  ///< dynamic shared memory
} apus_emulated_geometry_t;

/// In which order things happen that a GPU may do in any order.
typedef struct {
    int reverse;     ///< 1: last block, warp and lane first
    int late_copies; ///< 1: asynchronous copies arrive when they are waited for; 0: at once
} apus_emulated_options_t;

/// Finds a kernel: its `extern "C"` name, `ACT_BF16` (0 or 1), and `HEAD_SIZE` or `HEAD_SLOTS` (0 where neither applies).
///
/// Kernels that do not depend on a macro are found with any value of it. NULL: there is none.
const apus_emulated_kernel_t *apus_emulated_kernel(const char *name, int act_bf16, int head);

/// The number of parameters of a kernel.
int apus_emulated_parameters(const apus_emulated_kernel_t *kernel);

/// Runs a kernel to its end.
///
/// args: pointers to the parameters' values, as cuLaunchKernel takes them; device addresses are addresses of this process.
/// Gives NULL, or a sentence that says what a GPU would not have done: valid until the thread's next launch.
const char *apus_emulated_launch(
    const apus_emulated_kernel_t *kernel, const apus_emulated_geometry_t *geometry, void **args,
    const apus_emulated_options_t *options);

#ifdef __cplusplus
}
#endif

#endif
