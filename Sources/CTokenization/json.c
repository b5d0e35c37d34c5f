// SPDX-License-Identifier: MIT
// How far a JSON string goes without an escape: most of its bytes are only copied.
#include "CTokenization.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

static inline bool is_plain(uint8_t byte) { return byte >= 0x20 && byte != '"' && byte != '\\'; }

size_t apus_json_plain(const uint8_t *text, size_t length) {
    size_t at = 0;
#if defined(__x86_64__)
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
    for (; at + 16 <= length; at += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(text + at));
        const __m128i ends = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
        const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes);
        const int found = _mm_movemask_epi8(_mm_or_si128(ends, low));
        if (found != 0) return at + (size_t)__builtin_ctz((unsigned)found);
    }
#endif
    while (at < length && is_plain(text[at])) at++;
    return at;
}
