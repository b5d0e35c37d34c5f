// SPDX-License-Identifier: MIT
// Checksums: SHA-256 (FIPS 180-4) and CRC-32C (Castagnoli, RFC 3720 B.4).
#ifndef APUS_CHASH_H
#define APUS_CHASH_H

#include <stddef.h>
#include <stdint.h>

/// State of a SHA-256 computation that takes its input piece by piece.
typedef struct {
    uint32_t state[8];
    uint64_t length;      ///< bytes taken so far
    uint8_t pending[64];  ///< bytes of an unfinished block
} apus_sha256_t;

void apus_sha256_init(apus_sha256_t *s);
void apus_sha256_update(apus_sha256_t *s, const void *data, size_t length);
/// Finishes and writes the 32 bytes of the digest.
void apus_sha256_final(apus_sha256_t *s, uint8_t digest[32]);

/// The portable code alone, whatever the CPU: the reference the tests compare with.
void apus_sha256_portable(const void *data, size_t length, uint8_t digest[32]);

/// The digests of `count` texts, 32 bytes each, one after the other. `data[i]` may be NULL where `lengths[i]` is 0.
void apus_sha256_many(const void *const *data, const size_t *lengths, size_t count, uint8_t *digests);

typedef enum {
    APUS_SHA256_PORTABLE = 0,
    APUS_SHA256_TWO_LANES = 1,      ///< two texts at once with the SHA extensions of x86
    APUS_SHA256_SIXTEEN_LANES = 2,  ///< sixteen at once with AVX-512, and the last few with those extensions
} apus_sha256_code;

/// The same by one code, for the tests. Returns 0, or -1 where the CPU does not have it and nothing was written.
int apus_sha256_many_using(apus_sha256_code code, const void *const *data, const size_t *lengths, size_t count, uint8_t *digests);

/// Continues a CRC-32C; start with crc = 0.
uint32_t apus_crc32c(uint32_t crc, const void *data, size_t length);
uint32_t apus_crc32c_portable(uint32_t crc, const void *data, size_t length);

#endif
