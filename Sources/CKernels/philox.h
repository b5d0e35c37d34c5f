// SPDX-License-Identifier: MIT
// Philox4x32-10, the counter-based generator behind dropout masks.
// Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, figure 4 and table 2.
#ifndef APUS_PHILOX_H
#define APUS_PHILOX_H

#include <stdint.h>

enum { PHILOX_ROUNDS = 10 };
static const uint32_t PHILOX_M0 = 0xD2511F53, PHILOX_M1 = 0xCD9E8D57;  // multipliers
static const uint32_t PHILOX_W0 = 0x9E3779B9, PHILOX_W1 = 0xBB67AE85;  // added to the key after each round

static inline void apus_philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        const uint64_t p0 = (uint64_t)PHILOX_M0 * c[0], p1 = (uint64_t)PHILOX_M1 * c[2];
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = n0, c[1] = (uint32_t)p1, c[2] = n2, c[3] = (uint32_t)p0;
        k0 += PHILOX_W0, k1 += PHILOX_W1;
    }
}

#endif
