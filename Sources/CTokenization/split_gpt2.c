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

#if defined(__x86_64__)
// SSE2 is part of x86-64, so this needs no dispatch.
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

/// The starts of words among the next 64 bytes (or those left), one bit each.
static uint64_t block_starts(apus_splitter *s) {
    size_t left = s->length - s->at;
    const uint8_t *p = s->text + s->at;
    uint8_t padded[64];
    uint64_t valid = ~0ull;
    if (left < 64) {
        // Blanks behind the end say what the pattern says there: no character that is not white space follows.
        memset(padded, ' ', 64);
        memcpy(padded, p, left);
        p = padded, valid = (1ull << left) - 1;
    }
    block_masks m = classify(p);
    uint64_t class[4] = {0, m.letter, m.number, m.space}, continuation = 0, last_space = 0;
    uint64_t before_solid = ~m.space >> 1;  // bit i: byte i + 1 is not white space
    if (__builtin_expect((m.high | s->tail_continuation) != 0, 0)) {
        for (int k = 0; k < 4; k++) class[k] |= s->tail_class[k], s->tail_class[k] = 0;
        s->tail_continuation = 0;
        continuation = m.high & ~m.lead;
        last_space = classify_wide(s, m.lead & valid, class);
        before_solid = ~class[CLASS_SPACE] >> 1;
    }
    class[CLASS_OTHER] = ~(class[CLASS_LETTER] | class[CLASS_NUMBER] | class[CLASS_SPACE]);
    if (m.space >> 63 && solid_at(s, s->at + 64)) before_solid |= 1ull << 63;
    uint64_t same = 0;
    for (int k = 0; k < 4; k++) {
        same |= class[k] & (class[k] << 1 | s->last_class[k]);
        s->last_class[k] = class[k] >> 63;
    }
    uint64_t change = ~same & ~continuation;
    uint64_t after_blank = m.blank << 1 | s->last_blank;
    s->last_blank = m.blank >> 63;
    uint64_t starts = (change & ~class[CLASS_SPACE] & ~after_blank) | (change & class[CLASS_SPACE]) | (m.space & before_solid);
    starts = ((starts | last_space) & ~s->pending_clear) | s->pending_set;
    s->pending_clear = s->pending_set = 0;
    starts &= valid;
    for (uint64_t quotes = m.apostrophe & starts; quotes; quotes &= quotes - 1) {
        int i = __builtin_ctzll(quotes);
        size_t bytes = contraction(s->text + s->at + i, left - (size_t)i);
        if (bytes == 0) continue;
        // The letters after the apostrophe begin no word; what follows them does.
        unsigned __int128 inner = (unsigned __int128)1 << (i + 1), after = (unsigned __int128)1 << (i + (int)bytes);
        starts = (starts & ~(uint64_t)inner) | (uint64_t)after;
        s->pending_clear = (uint64_t)(inner >> 64), s->pending_set = (uint64_t)(after >> 64);
    }
    return starts & valid;
}

size_t apus_split_gpt2(apus_splitter *s, size_t *starts, size_t capacity) {
    size_t n = 0;
    while (s->at < s->length && n + 64 <= capacity) {
        for (uint64_t bits = block_starts(s); bits; bits &= bits - 1) starts[n++] = s->at + (size_t)__builtin_ctzll(bits);
        s->at = s->length - s->at < 64 ? s->length : s->at + 64;
    }
    if (s->at >= s->length && n < capacity) {
        starts[n++] = s->length;
        s->done = true;
    }
    return n;
}
