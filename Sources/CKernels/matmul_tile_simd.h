// SPDX-License-Identifier: MIT
// A tile of c in registers: MR rows of two vectors, along all of a block of k. Included by each instruction set, which names its
// operations by macros (all undefined at the end):
//   TILE_TARGET, TILE_INLINE  attributes of functions
//   MR, LANES, K_STEP         rows of a tile; floats of a vector; elements of k in a unit of 4 bytes
//   TILE_UNROLL               steps of k in one turn of the loop
//   sums_t, ZERO, LOAD_SUMS(from), ADD_SUMS(a, b), STORE_SUMS(to, v)
//   operand_t, LOAD(from), BROADCAST(from), DOT(sums, a, b)
// It defines `multiply` for `apus_kernels_t`.

enum { NR = 2 * LANES };

/// Rows of a lie `row` bytes apart, its steps of k `step` bytes: constants where a is packed.
TILE_INLINE void multiply_rows(const int rows, const apus_tile_t *t, long k, const long row, const long step) {
    sums_t sums[MR][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) sums[r][0] = sums[r][1] = ZERO;
    const char *b = t->b;
    // Every third row has a pointer, so that x86's addresses (base + 0, 1 or 2 times `row`) reach all of them without arithmetic.
    const char *a[(MR + 2) / 3];
#pragma clang loop unroll(full)
    for (int g = 0; 3 * g < rows; g++) a[g] = (const char *)t->a + 3 * g * row;
#pragma clang loop unroll_count(TILE_UNROLL)
    for (; k > 0; k -= K_STEP) {
        const operand_t b0 = LOAD(b), b1 = LOAD(b + LANES * 4);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const operand_t ar = BROADCAST(a[r / 3] + r % 3 * row);
            sums[r][0] = DOT(sums[r][0], ar, b0);
            sums[r][1] = DOT(sums[r][1], ar, b1);
        }
#pragma clang loop unroll(full)
        for (int g = 0; 3 * g < rows; g++) a[g] += step;
        b += NR * 4;
    }
    if (t->add != NULL) {
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            sums[r][0] = ADD_SUMS(sums[r][0], LOAD_SUMS(t->add + r * t->add_stride));
            sums[r][1] = ADD_SUMS(sums[r][1], LOAD_SUMS(t->add + r * t->add_stride + LANES));
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        STORE_SUMS(t->to + r * t->to_stride, sums[r][0]);
        STORE_SUMS(t->to + r * t->to_stride + LANES, sums[r][1]);
    }
}

#define APUS_ROWS_CASE(N) \
    case N: multiply_rows(N, t, k, row, step); break;

TILE_INLINE void multiply_some(const apus_tile_t *t, long rows, long k, const long row, const long step) {
    switch (rows) {
        APUS_ROWS_CASE(1) APUS_ROWS_CASE(2) APUS_ROWS_CASE(3) APUS_ROWS_CASE(4) APUS_ROWS_CASE(5)
#if APUS_TILE_ROWS > 6
        APUS_ROWS_CASE(6) APUS_ROWS_CASE(7) APUS_ROWS_CASE(8) APUS_ROWS_CASE(9) APUS_ROWS_CASE(10) APUS_ROWS_CASE(11)
        APUS_ROWS_CASE(12) APUS_ROWS_CASE(13)
#endif
        default: multiply_rows(MR, t, k, row, step); break;
    }
}

TILE_TARGET static void multiply(const apus_tile_t *t, long rows, long k) {
    if (t->a_step == MR * 4) {
        multiply_some(t, rows, k, 4, MR * 4);
    } else {
        multiply_some(t, rows, k, t->a_row, 4);
    }
}

#undef APUS_ROWS_CASE
#undef APUS_TILE_ROWS
#undef TILE_TARGET
#undef TILE_INLINE
#undef TILE_UNROLL
#undef sums_t
#undef operand_t
#undef ZERO
#undef LOAD_SUMS
#undef ADD_SUMS
#undef STORE_SUMS
#undef LOAD
#undef BROADCAST
#undef DOT
