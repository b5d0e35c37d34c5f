// SPDX-License-Identifier: MIT
// Passes over whole documents at memory speed: is it UTF-8, how much of it is no text.
#include <string.h>

#include "CTokenization.h"
#include "scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define HAS_AVX2() __builtin_cpu_supports("avx2")
#define AVX2 __attribute__((target("avx2")))
#endif

// ---- Well-formed UTF-8 ----------------------------------------------------------------------------------------------
// The table method of Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (2020): every ill-formed
// pair of neighbouring bytes shows in the high nibble of the first, its low nibble and the high nibble of the second; each nibble names the
// errors it is compatible with, and what all three agree on is an error. Only third and fourth bytes need more.

#if defined(__x86_64__)
enum {
    TOO_SHORT = 1 << 0,   // a lead byte, then no continuation
    TOO_LONG = 1 << 1,    // ASCII, then a continuation
    OVERLONG_3 = 1 << 2,  // E0 80..9F
    SURROGATE = 1 << 3,   // ED A0..BF
    OVERLONG_2 = 1 << 4,  // C0, C1
    TOO_LARGE = 1 << 5,   // F4 90..BF, F5 and above
    TOO_LARGE_1000 = 1 << 6,  // F5 80..8F and above, and F0 80..8F, which is overlong
    TWO_CONTINUATIONS = 1 << 7,
    ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS,
};

#define TABLE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

AVX2 static inline __m256i before(__m256i now, __m256i last, const int distance) {
    __m256i joint = _mm256_permute2x128_si256(last, now, 0x21);
    return distance == 1   ? _mm256_alignr_epi8(now, joint, 15)
           : distance == 2 ? _mm256_alignr_epi8(now, joint, 14)
                           : _mm256_alignr_epi8(now, joint, 13);
}

/// Bits of the errors that end in a block, given the block before it.
AVX2 static inline __m256i errors(__m256i now, __m256i last) {
    const __m256i first_high =
        TABLE(TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, (char)TWO_CONTINUATIONS,
              (char)TWO_CONTINUATIONS, (char)TWO_CONTINUATIONS, (char)TWO_CONTINUATIONS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
              TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | TOO_LARGE_1000);
    const __m256i first_low =
        TABLE((char)(ANY_LOW | OVERLONG_3 | OVERLONG_2 | TOO_LARGE_1000), (char)(ANY_LOW | OVERLONG_2), (char)ANY_LOW, (char)ANY_LOW,
              (char)(ANY_LOW | TOO_LARGE), (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000), (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000),
              (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000), (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000),
              (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000), (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000),
              (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000), (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000),
              (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000 | SURROGATE), (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000),
              (char)(ANY_LOW | TOO_LARGE | TOO_LARGE_1000));
    const __m256i second_high =
        TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
              (char)(TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE_1000),
              (char)(TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | OVERLONG_3 | TOO_LARGE),
              (char)(TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE),
              (char)(TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS | SURROGATE | TOO_LARGE), TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
    const __m256i nibble = _mm256_set1_epi8(0x0F);
    __m256i first = before(now, last, 1);
    __m256i pair = _mm256_and_si256(
        _mm256_and_si256(_mm256_shuffle_epi8(first_high, _mm256_and_si256(_mm256_srli_epi16(first, 4), nibble)),
                         _mm256_shuffle_epi8(first_low, _mm256_and_si256(first, nibble))),
        _mm256_shuffle_epi8(second_high, _mm256_and_si256(_mm256_srli_epi16(now, 4), nibble)));
    // Two places behind E0.. or three behind F0.. a second continuation has to follow, and nowhere else may one.
    __m256i third = _mm256_subs_epu8(before(now, last, 2), _mm256_set1_epi8((char)(0xE0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(before(now, last, 3), _mm256_set1_epi8((char)(0xF0 - 0x80)));
    __m256i must = _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(must, pair);
}

/// Bytes at the start, whole characters, that are certainly well-formed; what follows is for the caller to look at.
AVX2 static size_t valid_blocks_avx2(const uint8_t *text, size_t length) {
    __m256i last = _mm256_setzero_si256();
    size_t at = 0;
    for (; at + 32 <= length; at += 32) {
        __m256i now = _mm256_loadu_si256((const __m256i *)(text + at));
        // ASCII behind ASCII has no error to find; a block that ends in the middle of a character has its top bit set.
        if (_mm256_movemask_epi8(_mm256_or_si256(now, last)) != 0) {
            __m256i bad = errors(now, last);
            if (!_mm256_testz_si256(bad, bad)) break;
        }
        last = now;
    }
    // The last character may go on, or be what made the next block ill-formed.
    for (int back = 0; back < 4 && at > 0; back++) {
        at--;
        if ((text[at] & 0xC0) != 0x80) break;
    }
    return at;
}
#endif

size_t apus_utf8_valid_blocks(const uint8_t *text, size_t length) {
#if defined(__x86_64__)
    if (length >= 64 && HAS_AVX2()) return valid_blocks_avx2(text, length);
#endif
    return 0;
}

// ---- What is no text ------------------------------------------------------------------------------------------------

/// Bytes of the control character or U+FFFD that begins at a place; 0 for anything else.
static inline size_t non_text_at(const uint8_t *text, size_t length, size_t at) {
    uint8_t byte = text[at];
    if (byte < 0x20) return byte != '\t' && byte != '\n' && byte != '\r';
    if (byte < 0x7F) return 0;
    if (byte == 0x7F) return 1;
    if (byte == 0xC2) return at + 1 < length && text[at + 1] < 0xA0 ? 2 : 0;
    if (byte == 0xEF) return at + 2 < length && text[at + 1] == 0xBF && text[at + 2] == 0xBD ? 3 : 0;
    return 0;
}

#if defined(__x86_64__)
AVX2 static size_t non_text_avx2(const uint8_t *text, size_t length, size_t *done) {
    const __m256i space = _mm256_set1_epi8(0x1F), tab = _mm256_set1_epi8('\t'), line = _mm256_set1_epi8('\n');
    const __m256i carriage = _mm256_set1_epi8('\r'), delete = _mm256_set1_epi8(0x7F);
    const __m256i latin = _mm256_set1_epi8((char)0xC2), special = _mm256_set1_epi8((char)0xEF);
    size_t bytes = 0, at = 0;
    for (; at + 32 <= length; at += 32) {
        __m256i now = _mm256_loadu_si256((const __m256i *)(text + at));
        __m256i blank = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(now, tab), _mm256_cmpeq_epi8(now, line)),
                                        _mm256_cmpeq_epi8(now, carriage));
        __m256i control = _mm256_andnot_si256(blank, _mm256_cmpeq_epi8(_mm256_max_epu8(now, space), space));
        __m256i lead = _mm256_or_si256(_mm256_or_si256(_mm256_cmpeq_epi8(now, latin), _mm256_cmpeq_epi8(now, special)),
                                       _mm256_cmpeq_epi8(now, delete));
        unsigned look = (unsigned)_mm256_movemask_epi8(_mm256_or_si256(control, lead));
        for (; look != 0; look &= look - 1) bytes += non_text_at(text, length, at + (size_t)__builtin_ctz(look));
    }
    *done = at;
    return bytes;
}
#endif

size_t apus_non_text_bytes(const uint8_t *text, size_t length) {
    size_t bytes = 0, at = 0;
#if defined(__x86_64__)
    if (HAS_AVX2()) bytes = non_text_avx2(text, length, &at);
#endif
    for (; at < length; at++) bytes += non_text_at(text, length, at);
    return bytes;
}

// ---- Both at once ---------------------------------------------------------------------------------------------------

#if defined(__x86_64__)
/// The bytes of an ASCII block that are controls other than tab and line ends, each all ones.
AVX2 static inline __m256i ascii_controls(__m256i now) {
    // A byte that its low nibble looks up in here is one of the three; nothing else is ASCII here.
    const __m256i white = TABLE(-1, -1, -1, -1, -1, -1, -1, -1, -1, '\t', '\n', -1, -1, '\r', -1, -1);
    __m256i control = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), now);
    __m256i is_white = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(white, now), now);
    return _mm256_or_si256(_mm256_andnot_si256(is_white, control), _mm256_cmpeq_epi8(now, _mm256_set1_epi8(0x7F)));
}

/// Looks at a block of any text, given the block before it, and adds its bytes that are no text. False when it is ill-formed.
AVX2 static bool scan_block_avx2(const uint8_t *text, size_t length, size_t at, __m256i *last, size_t *bytes) {
    const __m256i latin = _mm256_set1_epi8((char)0xC2), special = _mm256_set1_epi8((char)0xEF);
    __m256i now = _mm256_loadu_si256((const __m256i *)(text + at)), bad = errors(now, *last);
    if (!_mm256_testz_si256(bad, bad)) return false;
    *last = now;
    // `ascii_controls` takes bytes beyond ASCII for controls; of those only these two begin what is no text.
    __m256i ascii = _mm256_andnot_si256(_mm256_cmpgt_epi8(_mm256_setzero_si256(), now), ascii_controls(now));
    __m256i lead = _mm256_or_si256(_mm256_cmpeq_epi8(now, latin), _mm256_cmpeq_epi8(now, special));
    unsigned look = (unsigned)_mm256_movemask_epi8(_mm256_or_si256(ascii, lead));
    for (; look != 0; look &= look - 1) *bytes += non_text_at(text, length, at + (size_t)__builtin_ctz(look));
    return true;
}

/// Both questions in one pass over whole blocks. Returns where it stopped: behind the last block of well-formed text, which
/// may end in the middle of a character.
AVX2 static size_t scan_blocks_avx2(const uint8_t *text, size_t length, size_t *non_text) {
    __m256i last = _mm256_setzero_si256();
    size_t at = 0, bytes = 0;
    for (; at + 64 <= length; at += 64) {
        __m256i one = _mm256_loadu_si256((const __m256i *)(text + at));
        __m256i two = _mm256_loadu_si256((const __m256i *)(text + at + 32));
        // Only the last three bytes of a block matter to the next, and only when they are not ASCII.
        if (_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(one, two), last)) == 0) {
            // Line ends are in most blocks and may not cost a branch; other controls are in few.
            __m256i first = ascii_controls(one), second = ascii_controls(two), any = _mm256_or_si256(first, second);
            if (__builtin_expect(!_mm256_testz_si256(any, any), 0)) {
                bytes += (size_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(first));
                bytes += (size_t)__builtin_popcount((unsigned)_mm256_movemask_epi8(second));
            }
            continue;
        }
        if (!scan_block_avx2(text, length, at, &last, &bytes)) break;
        if (!scan_block_avx2(text, length, at + 32, &last, &bytes)) {
            at += 32;
            break;
        }
        // An end in ASCII asks nothing of the next block.
        if (((unsigned)_mm256_movemask_epi8(last) & 0xE0000000u) == 0) last = _mm256_setzero_si256();
    }
    *non_text = bytes;
    return at;
}
#endif

bool apus_scan_text(const uint8_t *text, size_t length, size_t *non_text) {
    size_t at = 0;
    *non_text = 0;
#if defined(__x86_64__)
    if (length >= 64 && HAS_AVX2()) at = scan_blocks_avx2(text, length, non_text);
#endif
    // What is left is shorter than two blocks, or begins with one that is ill-formed. Its check begins with the character
    // that was begun last, its count where the blocks end: they counted a character where it begins.
    size_t begin = at;
    for (int back = 0; back < 4 && begin > 0; back++) {
        begin--;
        if ((text[begin] & 0xC0) != 0x80) break;
    }
    if (apus_utf8_valid_prefix(text + begin, length - begin) < length - begin) return false;
    for (; at < length; at++) *non_text += non_text_at(text, length, at);
    return true;
}
