// SPDX-License-Identifier: MIT
// The AMX product with tile registers in memory: proves packing, blocking and tile addresses on any machine. Tests only.
#include "matmul_internal.h"

/// What LDTILECFG, TILELOADD, TDPBF16PS and TILESTORED work on. A thread's own, as the real registers are; no state
/// outlives `multiply`, which zeroes or loads every register before it uses it.
static _Thread_local _Alignas(64) unsigned char registers[8][16][64];

static void tile_zero(int t) { memset(registers[t], 0, sizeof registers[t]); }

static void tile_load(int t, const void *base, long stride) {
    for (int r = 0; r < 16; r++) memcpy(registers[t][r], (const char *)base + r * stride, 64);
}

static void tile_store(int t, void *base, long stride) {
    for (int r = 0; r < 16; r++) memcpy((char *)base + r * stride, registers[t][r], 64);
}

/// c[m][n] += a[m][2k] b[k][2n] + a[m][2k + 1] b[k][2n + 1], as in the instruction's description.
static void tile_dp(int c, int a, int b) {
    float sums[16][16];
    uint16_t rows[16][32], pairs[16][32];
    memcpy(sums, registers[c], sizeof sums);
    memcpy(rows, registers[a], sizeof rows);
    memcpy(pairs, registers[b], sizeof pairs);
    for (int m = 0; m < 16; m++) {
        for (int k = 0; k < 16; k++) {
            const float even = apus_widen_bf16(rows[m][2 * k]), odd = apus_widen_bf16(rows[m][2 * k + 1]);
            for (int n = 0; n < 16; n++) {
                sums[m][n] += even * apus_widen_bf16(pairs[k][2 * n]);
                sums[m][n] += odd * apus_widen_bf16(pairs[k][2 * n + 1]);
            }
        }
    }
    memcpy(registers[c], sums, sizeof sums);
}

#define TILE_TARGET
#include "matmul_amx_tiles.h"

static void pack_a(void *panels, const apus_pack_t *source) { apus_pack_portable(panels, source, TILE, STEP, 2); }

static void pack_b(void *panels, const apus_pack_t *source) { apus_pack_portable(panels, source, TILE, 2, 2); }

static void finish(
    const apus_gemm_t *g, apus_partial_t sums, long i, long j, long rows, long columns, float *tile, long width) {
    apus_finish_tile(g, sums, i, j, rows, columns, tile, width);
}

// kc is short so that tests reach several blocks of k with small matrices.
const apus_kernels_t apus_kernels_amx_emulated = {
    .mr = TILE, .nr = TILE, .k_step = STEP, .element = 2, .a_row = A_ROW, .a_step = TILE * A_ROW, .kc = 96,
    .a_bytes = 256 << 10, .b_bytes = 640 << 10, .pack_a = pack_a, .pack_b = pack_b, .multiply = multiply, .finish = finish};

#if defined(__x86_64__)
static void pack_a_512(void *panels, const apus_pack_t *source) { apus_kernels_amx.pack_a(panels, source); }

static void pack_b_512(void *panels, const apus_pack_t *source) { apus_kernels_amx.pack_b(panels, source); }

const apus_kernels_t apus_kernels_amx_emulated_512 = {
    .mr = TILE, .nr = TILE, .k_step = STEP, .element = 2, .a_row = A_ROW, .a_step = TILE * A_ROW, .kc = 96,
    .a_bytes = 256 << 10, .b_bytes = 640 << 10, .pack_a = pack_a_512, .pack_b = pack_b_512, .multiply = multiply,
    .finish = finish};
#endif
