// SPDX-License-Identifier: MIT
// Matrix products with what belongs before and after them: bias, activation, residual, accumulation.
//
// Row-major, dense unless a stride is an argument. "act" is the dtype of x, weight and dout: float32 or bfloat16.
// Sums are float32 (true float32 FMA for float32 operands), bfloat16 results are rounded to nearest even. Results depend
// on the operands and the instruction set alone: not on the number of threads, and not on timing. Any size from 1 up, any
// alignment that the element type allows. Nothing allocates: `workspace` holds `apus_matmul_workspace` bytes.
#ifndef APUS_MATMUL_H
#define APUS_MATMUL_H

#include <stddef.h>

#include "apus_isa.h"
#include "apus_pool.h"
#include "apus_types.h"

/// The AMX path with its tile registers emulated in plain C, for tests on machines without AMX. Very slow. The second packs
/// as AMX does, with AVX-512, and needs it; the first packs with plain C.
#define APUS_ISA_AMX_EMULATED_VALUE 100
#define APUS_ISA_AMX_EMULATED_512_VALUE 101
static inline apus_isa_t apus_isa_amx_emulated(void) { return (apus_isa_t)APUS_ISA_AMX_EMULATED_VALUE; }
static inline apus_isa_t apus_isa_amx_emulated_512(void) { return (apus_isa_t)APUS_ISA_AMX_EMULATED_512_VALUE; }

/// Bytes that every product below needs as `workspace` with a pool of that many threads; any alignment. One workspace
/// serves one pool: products run one after the other.
size_t apus_matmul_workspace(int threads);

/// What happens to a product (bias added) before it is stored. All zero: nothing.
typedef struct {
    apus_activation_t activation;  ///< out = activation(product)
    void *preactivation;           ///< act [R, N], written with the product; NULL: not kept
    const float *residual;         ///< [R, N], added; may be out itself when out is float32; NULL: none
} apus_epilogue_t;

/// out[R, N] = epilogue(x[R, K] weight[N, K]^T + bias[N])
///
/// out_dtype: float32 or bfloat16 whatever `dtype`, the act dtype. bias: float32 or NULL.
void apus_matmul_forward(
    apus_pool_t *pool, apus_isa_t isa, void *workspace, void *out, apus_dtype_t out_dtype, const void *x, const void *weight,
    apus_dtype_t dtype, const float *bias, apus_epilogue_t epilogue, long rows, long n, long k);

/// dx[R, K] = dout[R, N] weight[N, K], times activation'(preactivation) unless `activation` is none.
///
/// dx_dtype: float32 or bfloat16. preactivation: act [R, K], read only with an activation; NULL without.
void apus_matmul_backward_input(
    apus_pool_t *pool, apus_isa_t isa, void *workspace, void *dx, apus_dtype_t dx_dtype, const void *dout, const void *weight,
    apus_dtype_t dtype, apus_activation_t activation, const void *preactivation, long rows, long n, long k);

/// dweight[N, K] += dout[R, N]^T x[R, K]; dbias[N] += sum of dout's rows. Both float32; dbias may be NULL.
void apus_matmul_backward_weight(
    apus_pool_t *pool, apus_isa_t isa, void *workspace, float *dweight, float *dbias, const void *dout, const void *x,
    apus_dtype_t dtype, long rows, long n, long k);

/// A matrix in memory: element (i, j) is data[i * row_stride + j * column_stride], strides in elements, one of them 1.
typedef struct {
    const void *data;
    long row_stride;
    long column_stride;
} apus_matrix_t;

/// The general product behind the others: c[M, N] (+)= a[M, K] b[K, N], then bias, epilogue, store.
typedef struct {
    long m, n, k;
    apus_dtype_t dtype;  ///< of a and b
    apus_matrix_t a, b;
    void *c;  ///< element (i, j) at i * c_stride + j
    long c_stride;
    apus_dtype_t c_dtype;
    int accumulate;     ///< adds to c, which must be float32, and takes no bias and no epilogue
    const float *bias;  ///< [N] or NULL
    apus_epilogue_t epilogue;                ///< its matrices have c's row stride
    apus_activation_t derivative;            ///< multiplies by the activation's derivative at
    const void *derivative_at;               ///< `dtype` [M, N], with c's row stride
} apus_gemm_t;

void apus_gemm(apus_pool_t *pool, apus_isa_t isa, void *workspace, const apus_gemm_t *gemm);

#endif
