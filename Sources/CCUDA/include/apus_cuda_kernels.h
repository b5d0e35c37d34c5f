// SPDX-License-Identifier: MIT
// The texts of kernels/*.cu, embedded in the program so that it needs no file beside it.
#ifndef APUS_CUDA_KERNELS_H
#define APUS_CUDA_KERNELS_H

#include <stddef.h>

/// The text of a kernel file, such as "layernorm_forward", with its size; NULL for a name that is none.
const char *_Nullable apus_cuda_kernel_text(const char *_Nonnull name, size_t *_Nonnull size);
/// Names of all files in order of the alphabet; NULL past the last.
const char *_Nullable apus_cuda_kernel_name(size_t index);

#endif
