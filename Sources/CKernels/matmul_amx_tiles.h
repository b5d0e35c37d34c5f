// SPDX-License-Identifier: MIT
// The AMX product: 32 x 32 tiles of c as 2 x 2 tile registers. Included twice, after a definition of the tile operations:
// by the instructions (matmul_amx.c) and by an emulation in plain C (matmul_amx_emulated.c), so that everything except the
// instructions themselves is proved on machines without AMX.
//
// Needs: TILE_TARGET, tile_zero(t), tile_load(t, base, stride), tile_dp(c, a, b), tile_store(t, base, stride), with
// constant register numbers and strides in bytes.

// Tile registers: sums, rows of a, pairs of b.
enum { C00 = 0, C01 = 1, C10 = 2, C11 = 3, A0 = 4, A1 = 5, B0 = 6, B1 = 7 };

enum {
    TILE = 32,            // rows and columns of c
    STEP = 32,            // elements of k that one tile operation takes
    A_ROW = STEP * 2,     // bytes of a row of a's panel: 32 neighbours in k
    B_TILE = 16 * 4,      // bytes from the left half of b's panel to the right one
    B_STRIDE = TILE * 4,  // bytes from pair to pair of k in b's panel
};

TILE_TARGET static void multiply(const apus_tile_t *tile, long rows, long k) {
    const char *a = tile->a, *b = tile->b;
    const long row = tile->a_row, step = tile->a_step, to_stride = tile->to_stride * 4;
    tile_zero(C00);
    tile_zero(C01);
    if (rows <= 16) {
        for (; k > 0; k -= STEP, a += step, b += TILE * STEP * 2) {
            tile_load(A0, a, row);
            tile_load(B0, b, B_STRIDE);
            tile_dp(C00, A0, B0);
            tile_load(B1, b + B_TILE, B_STRIDE);
            tile_dp(C01, A0, B1);
        }
    } else {
        tile_zero(C10);
        tile_zero(C11);
        for (; k > 0; k -= STEP, a += step, b += TILE * STEP * 2) {
            tile_load(A0, a, row);
            tile_load(B0, b, B_STRIDE);
            tile_dp(C00, A0, B0);
            tile_load(B1, b + B_TILE, B_STRIDE);
            tile_dp(C01, A0, B1);
            tile_load(A1, a + 16 * row, row);
            tile_dp(C10, A1, B0);
            tile_dp(C11, A1, B1);
        }
        tile_store(C10, tile->to + 16 * tile->to_stride, to_stride);
        tile_store(C11, tile->to + 16 * tile->to_stride + 16, to_stride);
    }
    tile_store(C00, tile->to, to_stride);
    tile_store(C01, tile->to + 16, to_stride);
}
