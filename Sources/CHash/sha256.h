// SPDX-License-Identifier: MIT
// What the files of SHA-256 share.
#ifndef APUS_SHA256_H
#define APUS_SHA256_H

#include "CHash.h"

extern const uint32_t apus_sha256_constants[64];

/// Takes whole blocks of 64 bytes into the state, in portable code or in whatever is fastest here.
void apus_sha256_compress_portable(uint32_t h[8], const uint8_t *data, size_t blocks);
void apus_sha256_compress(uint32_t h[8], const uint8_t *data, size_t blocks);

/// Takes whole blocks of 64 bytes of sixteen texts into their states, of which word i of all lies in row i. Needs AVX-512 F and BW.
void apus_sha256_compress_sixteen(uint32_t states[8][16], const uint8_t *const at[16], size_t blocks);

/// Whether the CPU has the SHA extensions of x86.
int apus_sha256_has_extensions(void);

#endif
