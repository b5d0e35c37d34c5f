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
    TILE = 32,             // rows and columns of c
    STEP = 32,             // elements of k that one tile operation takes
    A_TILE = 16 * STEP,    // elements of a tile of a: 16 rows of 32 neighbours in k
    A_STRIDE = STEP * 2,   // bytes from row to row of it
    B_TILE = 16 * 2,       // elements from the left half of b's panel to the right one
    B_STRIDE = TILE * 4,   // bytes from pair to pair of k in b's panel
    C_STRIDE = TILE * 4,
};

TILE_TARGET static void multiply(long rows, long k, const void *a_panel, const void *b_panel, float *tile) {
    const uint16_t *a = a_panel, *b = b_panel;
    tile_zero(C00);
    tile_zero(C01);
    if (rows <= 16) {
        for (; k > 0; k -= STEP, a += 2 * A_TILE, b += TILE * STEP) {
            tile_load(A0, a, A_STRIDE);
            tile_load(B0, b, B_STRIDE);
            tile_dp(C00, A0, B0);
            tile_load(B1, b + B_TILE, B_STRIDE);
            tile_dp(C01, A0, B1);
        }
    } else {
        tile_zero(C10);
        tile_zero(C11);
        for (; k > 0; k -= STEP, a += 2 * A_TILE, b += TILE * STEP) {
            tile_load(A0, a, A_STRIDE);
            tile_load(B0, b, B_STRIDE);
            tile_dp(C00, A0, B0);
            tile_load(B1, b + B_TILE, B_STRIDE);
            tile_dp(C01, A0, B1);
            tile_load(A1, a + A_TILE, A_STRIDE);
            tile_dp(C10, A1, B0);
            tile_dp(C11, A1, B1);
        }
        tile_store(C10, tile + 16 * TILE, C_STRIDE);
        tile_store(C11, tile + 16 * TILE + 16, C_STRIDE);
    }
    tile_store(C00, tile, C_STRIDE);
    tile_store(C01, tile + 16, C_STRIDE);
}
