// SPDX-License-Identifier: MIT
// What the driver of the products (matmul.c) needs from each instruction set.
//
// Operands are packed into panels before they are multiplied, as in Goto and van de Geijn, "Anatomy of high-performance
// matrix multiplication" (2008): a panel holds P rows of a (or P columns of b) as [k / G][P][G] elements, zero-padded.
// G is 1 for float32, 2 for vdpbf16ps and for AMX's b, 32 for AMX's a.
#ifndef APUS_MATMUL_INTERNAL_H
#define APUS_MATMUL_INTERNAL_H

#include "apus_matmul.h"
#include "matmul_finish.h"

/// One operand, seen so that both are packed alike: element (p, k) at data[p * p_stride + k * k_stride].
typedef struct {
    const void *data;
    apus_dtype_t dtype;
    long p_stride, k_stride;
    long p_count, k_count;  ///< what to pack
    long k_padded;          ///< k_count rounded up to the kernel's step; the rest is filled with zeros
} apus_pack_t;

/// A tile's product: to[rows][nr] = a b, or add + a b. `add` and `to` may be the same memory.
typedef struct {
    const void *a;
    long a_row, a_step;  ///< bytes from row to row of a, and from one step of k to the next
    const void *b;       ///< a packed panel
    const float *add;    ///< added when a b is whole, so that small products are not lost in a large sum; NULL: nothing
    float *to;
    long add_stride, to_stride;  ///< floats from row to row
} apus_tile_t;

typedef struct {
    long mr, nr;     ///< tile: rows of a times columns of b; nr <= APUS_FINISH_COLUMNS
    long k_step;     ///< k is padded to a multiple of it
    long element;    ///< bytes of a packed element
    long a_row, a_step;  ///< bytes from row to row of a packed panel of a, and from one step of k to the next
    long step_in_place;  ///< the same for a's own memory, whose elements must be as long as packed ones; 0: a is always packed
    long kc, kc_in_place;  ///< longest block of k, with a packed and with a read where it lies
    long a_bytes, b_bytes;  ///< what a block of a (also of one in place) and one of b may take
    int adds;               ///< `multiply` can add, and stores no more than `rows` rows
    void (*pack_a)(void *panels, const apus_pack_t *source);
    void (*pack_b)(void *panels, const apus_pack_t *source);
    /// The product over k (padded) elements, of which `rows` rows are wanted.
    void (*multiply)(const apus_tile_t *tile, long rows, long k);
    void (*finish)(
        const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width);
    void (*enter)(void);  ///< at the start of a thread's share, NULL: nothing
    void (*leave)(void);
} apus_kernels_t;

/// What an instruction set has beside the blocked product.
typedef struct {
    /// Few rows: columns [begin, end) of c, both operands contiguous in k, m <= APUS_SMALL_ROWS.
    void (*small)(const apus_gemm_t *g, long begin, long end);
    void (*add_columns)(float *sums, const void *x, apus_dtype_t dtype, long rows, long stride, long begin, long end);
} apus_helpers_t;

enum { APUS_SMALL_ROWS = 16 };

/// The reference: rows [begin, end) of c, or columns when `by_columns`.
void apus_gemm_reference(const apus_gemm_t *g, long begin, long end, int by_columns);
extern const apus_helpers_t apus_helpers_portable;

/// Packs anything, element by element. The panel size and group are arguments.
void apus_pack_portable(void *panels, const apus_pack_t *source, long panel, long group, long element);

#if defined(__x86_64__)
extern const apus_kernels_t apus_kernels_avx2;
extern const apus_helpers_t apus_helpers_avx2;
extern const apus_kernels_t apus_kernels_avx512;
extern const apus_helpers_t apus_helpers_avx512;
extern const apus_kernels_t apus_kernels_bf16;
extern const apus_helpers_t apus_helpers_bf16;
extern const apus_kernels_t apus_kernels_amx;
extern const apus_kernels_t apus_kernels_amx_emulated_512;
#endif
extern const apus_kernels_t apus_kernels_amx_emulated;

#endif
