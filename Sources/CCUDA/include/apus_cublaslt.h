// SPDX-License-Identifier: MIT
// The part of cuBLASLt (libcublasLt.so.12 or .13) that the engine calls, as a table of function pointers.
#ifndef APUS_CUBLASLT_H
#define APUS_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

#include "apus_cuda_driver.h"

typedef struct apus_lt_handle *apus_lt_handle_t;
typedef struct apus_lt_operation *apus_lt_operation_t;    ///< cublasLtMatmulDesc_t
typedef struct apus_lt_layout *apus_lt_layout_t;          ///< cublasLtMatrixLayout_t
typedef struct apus_lt_preference *apus_lt_preference_t;  ///< cublasLtMatmulPreference_t

/// cublasLtMatmulAlgo_t: opaque; may be stored and used again with the same version of the library.
typedef struct {
    uint64_t data[8];
} apus_lt_algorithm_t;

/// cublasLtMatmulHeuristicResult_t
typedef struct {
    apus_lt_algorithm_t algorithm;
    size_t workspace_bytes;
    int status;
    float waves;
    int reserved[4];
} apus_lt_heuristic_t;

enum {
    APUS_LT_FLOAT32 = 0,           ///< CUDA_R_32F
    APUS_LT_BFLOAT16 = 14,         ///< CUDA_R_16BF
    APUS_LT_COMPUTE_FLOAT32 = 68,  ///< CUBLAS_COMPUTE_32F: float32 products and sums, no TF32
};

/// Attributes of operations.
enum { APUS_LT_TRANSPOSE_A = 3, APUS_LT_TRANSPOSE_B = 4 };

/// Attributes of preferences.
enum {
    APUS_LT_MAX_WORKSPACE = 1,
    APUS_LT_REDUCTION_SCHEMES = 3,
    APUS_LT_ALIGNMENT_A = 5,
    APUS_LT_ALIGNMENT_B = 6,
    APUS_LT_ALIGNMENT_C = 7,
    APUS_LT_ALIGNMENT_D = 8,
};

/// Ways of splitting the inner dimension that add their parts in a fixed order: into workspace of the compute or output type.
/// The in-place one (1), whose order is that of arrival, is left out.
enum { APUS_LT_ORDERED_REDUCTIONS = 2 | 4 };

enum { APUS_LT_STATUS_NOT_SUPPORTED = 15 };

/// Results are cublasStatus_t; 0 is success.
typedef struct {
    size_t (*_Nonnull version)(void);
    int (*_Nonnull create)(apus_lt_handle_t _Nullable *_Nonnull handle);
    int (*_Nonnull destroy)(apus_lt_handle_t _Nonnull handle);
    int (*_Nonnull operation_create)(apus_lt_operation_t _Nullable *_Nonnull operation, int compute_type, int scale_type);
    int (*_Nonnull operation_destroy)(apus_lt_operation_t _Nonnull operation);
    int (*_Nonnull operation_set)(
        apus_lt_operation_t _Nonnull operation, int attribute, const void *_Nonnull value, size_t bytes);
    int (*_Nonnull layout_create)(
        apus_lt_layout_t _Nullable *_Nonnull layout, int type, uint64_t rows, uint64_t columns, int64_t leading);
    int (*_Nonnull layout_destroy)(apus_lt_layout_t _Nonnull layout);
    int (*_Nonnull preference_create)(apus_lt_preference_t _Nullable *_Nonnull preference);
    int (*_Nonnull preference_destroy)(apus_lt_preference_t _Nonnull preference);
    int (*_Nonnull preference_set)(
        apus_lt_preference_t _Nonnull preference, int attribute, const void *_Nonnull value, size_t bytes);
    int (*_Nonnull heuristic)(
        apus_lt_handle_t _Nonnull handle, apus_lt_operation_t _Nonnull operation, apus_lt_layout_t _Nonnull a,
        apus_lt_layout_t _Nonnull b, apus_lt_layout_t _Nonnull c, apus_lt_layout_t _Nonnull d,
        apus_lt_preference_t _Nonnull preference, int wanted, apus_lt_heuristic_t *_Nonnull results, int *_Nonnull count);
    int (*_Nonnull check)(
        apus_lt_handle_t _Nonnull handle, apus_lt_operation_t _Nonnull operation, apus_lt_layout_t _Nonnull a,
        apus_lt_layout_t _Nonnull b, apus_lt_layout_t _Nonnull c, apus_lt_layout_t _Nonnull d,
        const apus_lt_algorithm_t *_Nonnull algorithm, apus_lt_heuristic_t *_Nonnull result);
    int (*_Nonnull matmul)(
        apus_lt_handle_t _Nonnull handle, apus_lt_operation_t _Nonnull operation, const void *_Nonnull alpha,
        apus_cu_address_t a, apus_lt_layout_t _Nonnull a_layout, apus_cu_address_t b, apus_lt_layout_t _Nonnull b_layout,
        const void *_Nonnull beta, apus_cu_address_t c, apus_lt_layout_t _Nonnull c_layout, apus_cu_address_t d,
        apus_lt_layout_t _Nonnull d_layout, const apus_lt_algorithm_t *_Nonnull algorithm, apus_cu_address_t workspace,
        size_t workspace_bytes, apus_cu_stream_t _Nullable stream);
} apus_cublaslt_t;

#endif
