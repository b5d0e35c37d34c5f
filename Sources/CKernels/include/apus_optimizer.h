// SPDX-License-Identifier: MIT
// What ends a training step: mean loss, global gradient norm, AdamW. The step's scalars are float64 in memory.
#ifndef APUS_OPTIMIZER_H
#define APUS_OPTIMIZER_H

#include <stddef.h>
#include <stdint.h>

#include "apus_isa.h"
#include "apus_pool.h"

/// *sum += scale * (losses[0] + ... ), in float64, in order.
void apus_accumulate_loss(apus_pool_t *pool, apus_isa_t isa, double *sum, const float *losses, double scale, long rows);

/// sqrt of the sum of squares, float64: sums over fixed blocks, added in order. The same on every instruction set.
///
/// workspace: `apus_global_norm_workspace` bytes, aligned to 8.
double apus_global_norm(apus_pool_t *pool, apus_isa_t isa, const float *gradients, long count, void *workspace);
size_t apus_global_norm_workspace(long count);

/// One AdamW update (decoupled decay, bias corrected), as PyTorch orders it.
typedef struct {
    float decay;                   ///< 1 - lr * weight decay
    float gradient_scale;          ///< clip factor
    float beta1, beta2;
    float one_minus_beta1, one_minus_beta2;
    float step_size;               ///< lr / (1 - beta1^t)
    float bias2;                   ///< sqrt(1 - beta2^t)
    float epsilon;
} apus_adamw_t;

/// p *= decay; m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g^2; p -= step_size m / (sqrt(v) / bias2 + epsilon)
///
/// p, g, m, v: float32 [count]. copy: bfloat16 [count], the new p rounded to nearest even; NULL: none.
void apus_adamw_update(
    apus_pool_t *pool, apus_isa_t isa, float *p, const float *g, float *m, float *v, uint16_t *copy, const apus_adamw_t *update,
    long count);

#endif
