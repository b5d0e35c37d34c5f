// SPDX-License-Identifier: MIT
// AMX-BF16. The kernel's permission is asked for once a process (isa.c); the tile configuration belongs to a thread and is
// loaded and released around its share, since the pool's threads also run AVX-512 code.
#include "matmul_internal.h"

#if defined(__x86_64__)
#include "matmul_x86_512.h"

#define TILE_TARGET \
    __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")))
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, base, stride) _tile_loadd(t, base, stride)
#define tile_dp(c, a, b) _tile_dpbf16ps(c, a, b)
#define tile_store(t, base, stride) _tile_stored(t, base, stride)
#include "matmul_amx_tiles.h"

/// Eight tile registers of 16 rows of 64 bytes (Intel SDM, "Tile configuration"; palette 1).
TILE_TARGET static void enter(void) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    _Static_assert(sizeof config == 64, "LDTILECFG reads 64 bytes");
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = 64;
        config.rows[t] = 16;
    }
    _tile_loadconfig(&config);
}

TILE_TARGET static void leave(void) { _tile_release(); }

// Packing is compiled without tiles, so that the emulation can use it where there are none.
APUS_TARGET_512 static void pack_a(void *panels, const apus_pack_t *source) {
    apus_pack_512(panels, source, TILE, APUS_UNIT_PAIR, 1);
}

APUS_TARGET_512 static void pack_b(void *panels, const apus_pack_t *source) {
    apus_pack_512(panels, source, TILE, APUS_UNIT_PAIR, 0);
}

APUS_PLAIN_COPIES TILE_TARGET static void finish(
    const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width) {
    // Constants make the loops over whole rows straight vector code.
    if (columns == TILE && width == TILE) {
        apus_finish_tile(g, sums, i, j, rows, TILE, tile, TILE);
    } else {
        apus_finish_tile(g, sums, i, j, rows, columns, tile, width);
    }
}

const apus_kernels_t apus_kernels_amx = {
    .mr = TILE, .nr = TILE, .k_step = STEP, .element = 2, .a_row = A_ROW, .a_step = TILE * A_ROW, .kc = 768,
    .a_bytes = 256 << 10, .b_bytes = 640 << 10, .pack_a = pack_a, .pack_b = pack_b,
    .multiply = multiply, .finish = finish, .enter = enter, .leave = leave};
#endif
