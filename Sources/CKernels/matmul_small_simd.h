// SPDX-License-Identifier: MIT
// Products of few rows (generation) as dot products along k without packing: each weight is read from memory once, and the
// rows, which stay in the caches, for every group of columns. Included once for each kind of operands, with
//
//   SMALL(name)              a name of this version's own
//   TARGET                   its target attribute
//   UNIT, SIZE               elements of a vector of operands, bytes of an element
//   operands_t, sums_t       vectors
//   LOAD(from), LOAD_SOME(from, count)    operands; zeros behind `count`
//   DOT(sums, x, w)          sums plus the products of two vectors of operands
//   ZERO, ADD(sums)          no sum yet; the sum of the lanes
//   EACH, ADD_EACH(to, v)    how many vectors are added up at once, and how; the bits are ADD's
//   FEW_COLUMNS              columns at a time below four rows, chosen for the loads in flight
//   FINISH
//
// A dot product's sums run along k in one order, however many rows and columns are made together: a text's bits do not depend
// on how many others are generated beside it.

#define UNROLL _Pragma("clang loop unroll(full)")

enum { SMALL(WIDTH) = 64, SMALL(MANY_COLUMNS) = EACH / 4, SMALL(AHEAD) = 9216 };

/// out[r][c] = x row i + r times weight row j + c. Meanwhile fetches `count` weight rows from `next` on: a row is too short for the
/// hardware to run ahead.
TARGET static inline __attribute__((always_inline)) void SMALL(dots)(
    const apus_gemm_t *g, long i, long j, const int rows, const int columns, uintptr_t next,
    const int count, float *out) {
    const long x_stride = g->a.row_stride * SIZE, w_stride = g->b.column_stride * SIZE;
    const char *x = (const char *)g->a.data + i * x_stride, *w = (const char *)g->b.data + j * w_stride;
    sums_t sums[EACH];
    UNROLL for (int s = 0; s < rows * columns; s++) sums[s] = ZERO;
    long left = g->k;
    for (; left >= UNIT; left -= UNIT, x += UNIT * SIZE, w += UNIT * SIZE, next += UNIT * SIZE) {
        operands_t weights[FEW_COLUMNS];
        UNROLL for (int c = 0; c < columns; c++) {
            weights[c] = LOAD(w + c * w_stride);
            if (c < count) _mm_prefetch((const char *)(next + (uintptr_t)(c * w_stride)), _MM_HINT_T0);
        }
        UNROLL for (int r = 0; r < rows; r++) {
            const operands_t row = LOAD(x + r * x_stride);
            UNROLL for (int c = 0; c < columns; c++) sums[r * columns + c] = DOT(sums[r * columns + c], row, weights[c]);
        }
    }
    if (left > 0) {
        UNROLL for (int r = 0; r < rows; r++) {
            const operands_t row = LOAD_SOME(x + r * x_stride, left);
            UNROLL for (int c = 0; c < columns; c++) {
                sums[r * columns + c] = DOT(sums[r * columns + c], row, LOAD_SOME(w + c * w_stride, left));
            }
        }
    }
    if (rows * columns == EACH) {
        _Alignas(64) float each[EACH];
        ADD_EACH(each, sums);
        UNROLL for (int r = 0; r < rows; r++) memcpy(out + r * SMALL(WIDTH), each + r * columns, sizeof(float) * (size_t)columns);
    } else {
        UNROLL for (int s = 0; s < rows * columns; s++) out[s / columns * SMALL(WIDTH) + s % columns] = ADD(sums[s]);
    }
}

/// Weight rows j ... j + columns times all rows. Those that come `ahead` columns later are fetched meanwhile: spread over the passes of
/// four rows, since asked for all at once they fill the queue of misses, and loads of what is needed now stand behind them.
TARGET static inline __attribute__((always_inline)) void SMALL(group)(
    const apus_gemm_t *g, long j, const int columns, long ahead, float *out) {
    const long w_stride = g->b.column_stride * SIZE, passes = g->m / 4;
    // May point beyond the end.
    uintptr_t next = (uintptr_t)g->b.data + (uintptr_t)((j + ahead) * w_stride);
    long i = 0;
    if (passes >= 4 && columns % 4 == 0) {
        for (; i < 16; i += 4, next += (uintptr_t)(columns / 4 * w_stride)) {
            SMALL(dots)(g, i, j, 4, columns, next, columns / 4, out + i * SMALL(WIDTH));
        }
    } else if (passes >= 2 && columns % 2 == 0) {
        for (; i < 8; i += 4, next += (uintptr_t)(columns / 2 * w_stride)) {
            SMALL(dots)(g, i, j, 4, columns, next, columns / 2, out + i * SMALL(WIDTH));
        }
    } else if (passes >= 1) {
        SMALL(dots)(g, 0, j, 4, columns, next, columns, out);
        i = 4;
    }
    for (; i + 4 <= g->m; i += 4) SMALL(dots)(g, i, j, 4, columns, next, 0, out + i * SMALL(WIDTH));
    if (i + 2 <= g->m) SMALL(dots)(g, i, j, 2, columns, next, passes < 2 ? columns : 0, out + i * SMALL(WIDTH)), i += 2;
    if (i < g->m) SMALL(dots)(g, i, j, 1, columns, next, passes < 2 ? columns : 0, out + i * SMALL(WIDTH));
}

TARGET static void SMALL(product)(const apus_gemm_t *g, long begin, long end) {
    _Alignas(64) float tile[APUS_SMALL_ROWS * SMALL(WIDTH)];
    // How far ahead weights are fetched: few rows take each group of columns for so short a time that the next group is near enough;
    // with more rows it must be some 9 kB, measured with 384 and 1,536 weights a row in both dtypes.
    const long columns = g->m >= 4 ? SMALL(MANY_COLUMNS) : FEW_COLUMNS, group = columns * g->k * SIZE;
    const long groups = g->m >= 4 ? (SMALL(AHEAD) + group / 2) / group : 1, ahead = (groups > 1 ? groups : 1) * columns;
    for (long j0 = begin; j0 < end; j0 += SMALL(WIDTH)) {
        const long count = end - j0 < SMALL(WIDTH) ? end - j0 : SMALL(WIDTH);
        long j = 0;
        if (g->m >= 4) {
            for (; j + SMALL(MANY_COLUMNS) <= count; j += SMALL(MANY_COLUMNS)) {
                SMALL(group)(g, j0 + j, SMALL(MANY_COLUMNS), ahead, tile + j);
            }
        } else {
            for (; j + FEW_COLUMNS <= count; j += FEW_COLUMNS) SMALL(group)(g, j0 + j, FEW_COLUMNS, ahead, tile + j);
        }
        for (; j < count; j++) SMALL(group)(g, j0 + j, 1, ahead, tile + j);
        FINISH(g, (apus_partial_t){0}, 0, j0, g->m, count, tile, SMALL(WIDTH));
    }
}

#undef UNROLL
#undef SMALL
#undef TARGET
#undef UNIT
#undef SIZE
#undef operands_t
#undef sums_t
#undef LOAD
#undef LOAD_SOME
#undef DOT
#undef ZERO
#undef ADD
#undef EACH
#undef ADD_EACH
#undef FEW_COLUMNS
#undef FINISH
