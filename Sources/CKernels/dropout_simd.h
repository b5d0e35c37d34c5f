// SPDX-License-Identifier: MIT
// Philox on vectors of counters; see simd.h. The compiler makes the vectors: the loops below are over 16 lanes.
APUS_INLINE uint64_t FN(spread)(uint64_t word) {
    // Bit i goes to bit 4 i.
    word = (word | word << 24) & 0x000000ff000000ff;
    word = (word | word << 12) & 0x000f000f000f000f;
    word = (word | word << 6) & 0x0303030303030303;
    return (word | word << 3) & 0x1111111111111111;
}

APUS_INLINE void FN(multiply)(const uint32_t x[16], uint32_t factor, uint32_t high[16], uint32_t low[16]) {
    for (int i = 0; i < 16; i++) {
        const uint64_t product = (uint64_t)x[i] * factor;
        high[i] = (uint32_t)(product >> 32);
        low[i] = (uint32_t)product;
    }
}

static uint64_t FN(keep_blocks)(const apus_dropout_t *dropout, uint64_t sample, uint32_t block) {
    uint32_t c[4][16], k0 = (uint32_t)dropout->seed, k1 = (uint32_t)(dropout->seed >> 32);
    for (uint32_t i = 0; i < 16; i++) {
        c[0][i] = block + i, c[1][i] = dropout->site, c[2][i] = (uint32_t)sample, c[3][i] = (uint32_t)(sample >> 32);
    }
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint32_t high0[16], low0[16], high1[16], low1[16];
        FN(multiply)(c[0], PHILOX_M0, high0, low0);
        FN(multiply)(c[2], PHILOX_M1, high1, low1);
        for (int i = 0; i < 16; i++) {
            c[0][i] = high1[i] ^ c[1][i] ^ k0, c[1][i] = low1[i];
            c[2][i] = high0[i] ^ c[3][i] ^ k1, c[3][i] = low0[i];
        }
        k0 += PHILOX_W0, k1 += PHILOX_W1;
    }
    uint64_t bits = 0;
    for (int w = 0; w < 4; w++) {
        uint64_t kept = 0;
        for (int i = 0; i < 16; i++) kept |= (uint64_t)(c[w][i] >= dropout->threshold) << i;
        bits |= FN(spread)(kept) << w;
    }
    return bits;
}
