// SPDX-License-Identifier: MIT
// CRC-32C: reflected polynomial 0x82f63b78, with the SSE4.2 instruction where the CPU has it.
#include "CHash.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#endif

uint32_t apus_crc32c_portable(uint32_t crc, const void *data, size_t length) {
    // One nibble at a time: the table has 16 words and needs no initialisation.
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *p = data;
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= p[i];
        crc = (crc >> 4) ^ table[crc & 15];
        crc = (crc >> 4) ^ table[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data, size_t length) {
    const uint8_t *p = data;
    uint64_t c = ~crc;
    for (; length >= 8; length -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        c = _mm_crc32_u64(c, word);
    }
    for (; length > 0; length--, p++) c = _mm_crc32_u8((uint32_t)c, *p);
    return ~(uint32_t)c;
}
#endif

uint32_t apus_crc32c(uint32_t crc, const void *data, size_t length) {
#if defined(__x86_64__)
    static int use_sse = -1;  // the same value whoever computes it, so a race is harmless
    int use = __atomic_load_n(&use_sse, __ATOMIC_RELAXED);
    if (use < 0) {
        unsigned a, b, c = 0, d;
        use = __get_cpuid(1, &a, &b, &c, &d) && (c & (1u << 20)) ? 1 : 0;
        __atomic_store_n(&use_sse, use, __ATOMIC_RELAXED);
    }
    if (use) return crc32c_sse42(crc, data, length);
#endif
    return apus_crc32c_portable(crc, data, length);
}
