// SPDX-License-Identifier: MIT
// GPT-2's pattern '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ without a regex engine.
//
// Every byte gets the class of its character: letter, number, white space or other. Where words begin then follows
// from the classes of neighbours, so 64 bytes are decided at once with bit masks:
//   - a run of letters, numbers or others begins a word, unless the character before it is U+0020, which begins it;
//   - a run of white space begins a word, and so does its last character when something else follows (it is the
//     blank of the next word, or a word of its own because `\s+(?!\S)` left it over);
//   - an apostrophe that begins a word and is followed by s, d, m, t, ll, ve or re makes a word with them, and the
//     next word begins right after, inside the run of letters too.
// Nothing else depends on anything: no backtracking, and no state but the class of the byte before the block.
#include <string.h>

#include "characters.h"
#include "split.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// One bit a byte of a block, lowest bit first.
typedef struct {
    uint64_t letter, number, space, blank, apostrophe, high, lead;
} block_masks;

/// Writes where words begin: `at` and the numbers of the bits. Room for 64 is there.
static inline size_t list_bits(size_t *starts, size_t at, uint64_t bits) {
    size_t n = 0;
    for (; bits; bits &= bits - 1) starts[n++] = at + (size_t)__builtin_ctzll(bits);
    return n;
}

#if defined(__x86_64__)
// A comparison of AVX-512 is a mask of 64 bytes; VBMI2 packs the numbers of a mask's bits.
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vbmi2,bmi,popcnt")))

AVX512 static inline uint64_t below64(__m512i x, char first, unsigned char count) {
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(x, _mm512_set1_epi8(first)), _mm512_set1_epi8((char)count));
}

AVX512 static inline block_masks classify_avx512(const uint8_t *p) {
    const __m512i x = _mm512_loadu_si512(p);
    const uint64_t blank = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(' '));
    return (block_masks){
        .letter = below64(_mm512_or_si512(x, _mm512_set1_epi8(0x20)), 'a', 26), .number = below64(x, '0', 10),
        .space = blank | below64(x, 9, 5), .blank = blank, .apostrophe = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\'')),
        .high = _mm512_movepi8_mask(x), .lead = _mm512_cmpge_epu8_mask(x, _mm512_set1_epi8((char)0xC0))};
}

/// Without a branch a word: most blocks have 8 to 24 words.
AVX512 static inline size_t list_bits_avx512(size_t *starts, size_t at, uint64_t bits) {
    static const uint8_t numbers[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
                                        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    _Alignas(64) uint8_t places[64];
    const size_t n = (size_t)__builtin_popcountll(bits);
    _mm512_store_si512(places, _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(numbers)));
    const __m512i base = _mm512_set1_epi64((long long)at);
    for (size_t i = 0; i < 24 || i < n; i += 8) {
        const __m512i wide = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(places + i)));
        _mm512_storeu_si512(starts + i, _mm512_add_epi64(base, wide));
    }
    return n;
}

// SSE2 is part of x86-64; what has AVX2 has BMI too, which finds the bits of a mask faster.
#define AVX2 __attribute__((target("avx2,bmi")))

AVX2 static inline uint64_t below32(__m256i x, char limit) {
    __m256i r = _mm256_cmpeq_epi8(_mm256_subs_epu8(x, _mm256_set1_epi8((char)(limit - 1))), _mm256_setzero_si256());
    return (uint32_t)_mm256_movemask_epi8(r);
}

AVX2 static inline uint64_t equal32(__m256i x, char c) {
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(c)));
}

AVX2 static inline block_masks classify_avx2(const uint8_t *p) {
    block_masks m = {0};
    for (int i = 0; i < 64; i += 32) {
        __m256i x = _mm256_loadu_si256((const __m256i *)(p + i));
        __m256i folded = _mm256_or_si256(x, _mm256_set1_epi8(0x20));
        uint64_t blank = equal32(x, ' ');
        m.letter |= below32(_mm256_sub_epi8(folded, _mm256_set1_epi8('a')), 26) << i;
        m.number |= below32(_mm256_sub_epi8(x, _mm256_set1_epi8('0')), 10) << i;
        m.space |= (blank | below32(_mm256_sub_epi8(x, _mm256_set1_epi8(9)), 5)) << i;
        m.blank |= blank << i;
        m.apostrophe |= equal32(x, '\'') << i;
        m.high |= (uint64_t)(uint32_t)_mm256_movemask_epi8(x) << i;
        __m256i lead = _mm256_and_si256(x, _mm256_cmpgt_epi8(x, _mm256_set1_epi8(-65)));
        m.lead |= (uint64_t)(uint32_t)_mm256_movemask_epi8(lead) << i;
    }
    return m;
}

static inline uint64_t below(__m128i x, char limit) {
    // Unsigned x < limit: saturating subtraction leaves 0 exactly when x <= limit - 1.
    __m128i r = _mm_cmpeq_epi8(_mm_subs_epu8(x, _mm_set1_epi8((char)(limit - 1))), _mm_setzero_si128());
    return (uint64_t)(uint16_t)_mm_movemask_epi8(r);
}

static inline uint64_t equal(__m128i x, char c) {
    return (uint64_t)(uint16_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8(c)));
}

static inline block_masks classify(const uint8_t *p) {
    block_masks m = {0};
    for (int i = 0; i < 64; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(p + i));
        __m128i folded = _mm_or_si128(x, _mm_set1_epi8(0x20));
        uint64_t blank = equal(x, ' ');
        m.letter |= below(_mm_sub_epi8(folded, _mm_set1_epi8('a')), 26) << i;
        m.number |= below(_mm_sub_epi8(x, _mm_set1_epi8('0')), 10) << i;
        m.space |= (blank | below(_mm_sub_epi8(x, _mm_set1_epi8(9)), 5)) << i;
        m.blank |= blank << i;
        m.apostrophe |= equal(x, '\'') << i;
        m.high |= (uint64_t)(uint16_t)_mm_movemask_epi8(x) << i;
        // 0xC0 and above is above -65 as a signed byte, where ASCII is not negative.
        __m128i lead = _mm_and_si128(x, _mm_cmpgt_epi8(x, _mm_set1_epi8(-65)));
        m.lead |= (uint64_t)(uint16_t)_mm_movemask_epi8(lead) << i;
    }
    return m;
}
#else
static inline block_masks classify(const uint8_t *p) {
    block_masks m = {0};
    for (int i = 0; i < 64; i++) {
        uint8_t c = p[i];
        m.letter |= (uint64_t)((uint8_t)((c | 0x20) - 'a') < 26) << i;
        m.number |= (uint64_t)((uint8_t)(c - '0') < 10) << i;
        m.space |= (uint64_t)(c == ' ' || (uint8_t)(c - 9) < 5) << i;
        m.blank |= (uint64_t)(c == ' ') << i;
        m.apostrophe |= (uint64_t)(c == '\'') << i;
        m.high |= (uint64_t)(c >> 7) << i;
        m.lead |= (uint64_t)(c >= 0xC0) << i;
    }
    return m;
}
#endif

/// Length of `'(?:[sdmt]|ll|ve|re)` at an apostrophe, 0 when it is not there.
static inline size_t contraction(const uint8_t *p, size_t left) {
    if (left < 2) return 0;
    uint8_t a = p[1];
    if (a == 's' || a == 'd' || a == 'm' || a == 't') return 2;
    if (left < 3) return 0;
    uint8_t b = p[2];
    return (a == 'l' && b == 'l') || ((a == 'v' || a == 'r') && b == 'e') ? 3 : 0;
}

/// Whether a character that is not white space stands at `at`.
static inline bool solid_at(const apus_splitter *s, size_t at) {
    return at < s->length && character_at(s->text + at).class != CLASS_SPACE;
}

/// Gives the bytes of the block's non-ASCII characters their classes, and what hangs over to the next block.
/// Returns the first bytes of wide white space that something else follows: they begin words.
static uint64_t classify_wide(apus_splitter *s, uint64_t lead, uint64_t class[4]) {
    uint64_t last_space = 0;
    while (lead) {
        int i = __builtin_ctzll(lead);
        lead &= lead - 1;
        const uint8_t *p = s->text + s->at + i;
        apus_character c = character_at(p);
        uint64_t bytes = (1u << c.bytes) - 1;
        class[c.class] |= bytes << i;
        if (i + c.bytes > 64) {
            s->tail_class[c.class] = bytes >> (64 - i);
            s->tail_continuation = bytes >> (64 - i);
        }
        if (c.class == CLASS_SPACE && solid_at(s, s->at + (size_t)i + (size_t)c.bytes)) last_space |= 1ull << i;
    }
    return last_space;
}

#if defined(__x86_64__)
#define CLASSIFY classify_avx512
#define LIST_BITS list_bits_avx512
#define NAME(name) name##_avx512
#define TARGET AVX512
#include "split_gpt2_blocks.h"

#define CLASSIFY classify_avx2
#define LIST_BITS list_bits
#define NAME(name) name##_avx2
#define TARGET AVX2
#include "split_gpt2_blocks.h"
#endif

#define CLASSIFY classify
#define LIST_BITS list_bits
#define NAME(name) name##_plain
#define TARGET
#include "split_gpt2_blocks.h"

#if defined(__x86_64__)
static bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"); }

static bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("popcnt");
}
#endif

size_t apus_split_gpt2(apus_splitter *s, size_t *starts, size_t capacity) {
#if defined(__x86_64__)
    if (s->most_code >= APUS_SPLIT_AVX512 && has_avx512()) return split_avx512(s, starts, capacity);
    if (s->most_code >= APUS_SPLIT_AVX2 && has_avx2()) return split_avx2(s, starts, capacity);
#endif
    return split_plain(s, starts, capacity);
}
