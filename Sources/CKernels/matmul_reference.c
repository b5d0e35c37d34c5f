// SPDX-License-Identifier: MIT
// The products in plain C: what every faster path is proved against, and what runs where there is no other.
#include "bfloat16.h"
#include "matmul_internal.h"

enum { COLUMNS = 64 };

/// Products of row i and columns [j, j + count), each one sum in the order of k.
static void multiply_row(const apus_gemm_t *g, long i, long j, long count, float *v) {
    for (long l = 0; l < count; l++) v[l] = 0;
    for (long k = 0; k < g->k; k++) {
        const float a = apus_get(g->a.data, g->dtype, i * g->a.row_stride + k * g->a.column_stride);
        const long at = k * g->b.row_stride + j * g->b.column_stride;
        for (long l = 0; l < count; l++) v[l] += a * apus_get(g->b.data, g->dtype, at + l * g->b.column_stride);
    }
}

void apus_gemm_reference(const apus_gemm_t *g, long begin, long end, int by_columns) {
    const long i0 = by_columns ? 0 : begin, i1 = by_columns ? g->m : end;
    const long j0 = by_columns ? begin : 0, j1 = by_columns ? end : g->n;
    float v[COLUMNS];
    for (long i = i0; i < i1; i++) {
        for (long j = j0; j < j1; j += COLUMNS) {
            const long count = j1 - j < COLUMNS ? j1 - j : COLUMNS;
            multiply_row(g, i, j, count, v);
            apus_finish_row(g, i, j, v, count);
        }
    }
}

static void add_columns(float *sums, const void *x, apus_dtype_t dtype, long rows, long stride, long begin, long end) {
    apus_add_columns(sums, x, dtype, rows, stride, begin, end);
}

const apus_helpers_t apus_helpers_portable = {.small = NULL, .add_columns = add_columns};

void apus_pack_portable(void *panels, const apus_pack_t *s, long panel, long group, long element) {
    char *to = panels;
    for (long p0 = 0; p0 < s->p_count; p0 += panel) {
        for (long k = 0; k < s->k_padded; k++) {
            for (long p = 0; p < panel; p++) {
                const long at = ((p0 * s->k_padded + k / group * group * panel) + p * group + k % group) * element;
                const int inside = p0 + p < s->p_count && k < s->k_count;
                const long from = inside ? (p0 + p) * s->p_stride + k * s->k_stride : 0;
                if (element == 4) {
                    *(float *)(to + at) = inside ? apus_get(s->data, s->dtype, from) : 0;
                } else {
                    *(uint16_t *)(to + at) = inside ? ((const uint16_t *)s->data)[from] : 0;
                }
            }
        }
    }
}
