// SPDX-License-Identifier: MIT
// The classifier: head product, softmax and cross-entropy by chunks of rows, so that logits [R, V] never exist.
//
// Logits are float32 for both act dtypes; the softmax subtracts each row's maximum; its sums are float64 of float32
// partial sums in a fixed order; exp is the kernels' own (below 2 ulp). Losses are in nats.
#ifndef APUS_CLASSIFIER_H
#define APUS_CLASSIFIER_H

#include <stddef.h>
#include <stdint.h>

#include "apus_isa.h"
#include "apus_pool.h"
#include "apus_types.h"

/// Bytes of `workspace` below; any alignment.
size_t apus_classifier_workspace(long rows, long width, long vocabulary, apus_dtype_t dtype);

/// losses[r] = -log softmax(x[r] weight^T)[targets[r]], 0 where the target is negative.
///
/// losses: float32 [R]. x: act [R, C]. weight: act [V, C]. targets: int32 [R], each below V or negative.
/// matmul_workspace: `apus_matmul_workspace` bytes.
void apus_classifier_forward(
    apus_pool_t *pool, apus_isa_t isa, void *matmul_workspace, void *workspace, float *losses, const void *x,
    const void *weight, apus_dtype_t dtype, const int32_t *targets, long rows, long width, long vocabulary);

/// The same, and the gradient of scale * sum(losses): written to dx (act [R, C]), added to dweight (float32 [V, C]).
void apus_classifier_forward_backward(
    apus_pool_t *pool, apus_isa_t isa, void *matmul_workspace, void *workspace, float *losses, void *dx, float *dweight,
    const void *x, const void *weight, apus_dtype_t dtype, const int32_t *targets, double scale, long rows, long width,
    long vocabulary);

#endif
