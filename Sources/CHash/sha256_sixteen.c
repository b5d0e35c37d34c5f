// SPDX-License-Identifier: MIT
// SHA-256 of sixteen texts at once with AVX-512: word i of all texts in one vector. A round takes some eight instructions one
// after the other, whatever their number of texts, and 16 texts fill the time with work: twice the speed of two lanes of the SHA
// extensions where a vector of 64 bytes is one operation (measured on Zen 5).
#include "sha256.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw")))
#define INLINE static inline __attribute__((always_inline, target("avx512f,avx512bw")))
#define UNROLL _Pragma("clang loop unroll(full)")

/// 0x96: a ^ b ^ c. 0xca: a ? b : c. 0xe8: the majority. (Intel SDM, VPTERNLOG.)
#define XOR3(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define ROTATE(x, n) _mm512_ror_epi32(x, n)
#define ADD(a, b) _mm512_add_epi32(a, b)

/// The next block of all texts as big-endian words: row i of the result holds word i of each.
INLINE void load_block(__m512i w[16], const uint8_t *const at[16], size_t offset) {
    const __m512i swap = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
    __m512i a[16], b[16];
    UNROLL for (int i = 0; i < 16; i++) a[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(at[i] + offset), swap);
    UNROLL for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
    // Quarter q of a[4 g + c] holds word 4 q + c of texts 4 g ... 4 g + 3.
    UNROLL for (int c = 0; c < 4; c++) {
        const __m512i even = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88), odd = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd);
        const __m512i even2 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88), odd2 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
        w[c] = _mm512_shuffle_i32x4(even, even2, 0x88);
        w[4 + c] = _mm512_shuffle_i32x4(odd, odd2, 0x88);
        w[8 + c] = _mm512_shuffle_i32x4(even, even2, 0xdd);
        w[12 + c] = _mm512_shuffle_i32x4(odd, odd2, 0xdd);
    }
}

/// Word i + 16 of the schedule in the place of word i.
INLINE void extend(__m512i w[16], int i) {
    const __m512i early = w[(i + 1) & 15], late = w[(i + 14) & 15];
    const __m512i small = XOR3(ROTATE(early, 7), ROTATE(early, 18), _mm512_srli_epi32(early, 3));
    const __m512i large = XOR3(ROTATE(late, 17), ROTATE(late, 19), _mm512_srli_epi32(late, 10));
    w[i & 15] = ADD(ADD(w[i & 15], small), ADD(w[(i + 9) & 15], large));
}

TARGET void apus_sha256_compress_sixteen(uint32_t states[8][16], const uint8_t *const at[16], size_t blocks) {
    __m512i s[8], w[16];
    UNROLL for (int i = 0; i < 8; i++) s[i] = _mm512_loadu_si512(states[i]);
    for (size_t block = 0; block < blocks; block++) {
        __m512i before[8];
        UNROLL for (int i = 0; i < 8; i++) before[i] = s[i];
        load_block(w, at, 64 * block);
#pragma clang loop unroll(disable)
        for (int round = 0; round < 64; round += 16) {
            UNROLL for (int i = 0; i < 16; i++) {
                // The names move on by one each round: s[(7 - i) & 7] is h, and becomes the new a.
#define AT(n) s[((n) - i) & 7]
                const __m512i e = AT(4), a = AT(0);
                const __m512i constant = _mm512_set1_epi32((int)apus_sha256_constants[round + i]);
                const __m512i wanted = ADD(ADD(AT(7), constant), w[i]);
                const __m512i first = ADD(
                    ADD(wanted, _mm512_ternarylogic_epi32(e, AT(5), AT(6), 0xca)), XOR3(ROTATE(e, 6), ROTATE(e, 11), ROTATE(e, 25)));
                AT(3) = ADD(AT(3), first);
                AT(7) = ADD(
                    ADD(first, _mm512_ternarylogic_epi32(a, AT(1), AT(2), 0xe8)), XOR3(ROTATE(a, 2), ROTATE(a, 13), ROTATE(a, 22)));
#undef AT
            }
            if (round == 48) break;
            UNROLL for (int i = 0; i < 16; i++) extend(w, i);
        }
        UNROLL for (int i = 0; i < 8; i++) s[i] = ADD(s[i], before[i]);
    }
    UNROLL for (int i = 0; i < 8; i++) _mm512_storeu_si512(states[i], s[i]);
}
#endif
