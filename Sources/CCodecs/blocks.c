// SPDX-License-Identifier: MIT
// Decoders of snappy and LZ4 blocks. Both formats are sequences of literals (bytes that follow) and copies (bytes
// `offset` before the end of what is decoded so far); every length and offset is checked before a byte moves.
#include "CCodecs.h"

#include <string.h>

// How far a block is read and written; `out_start` bounds how far back a copy may reach.
typedef struct {
    const uint8_t *in, *in_end;
    uint8_t *out, *out_start, *out_end;
} block_t;

static inline size_t in_left(const block_t *b) { return (size_t)(b->in_end - b->in); }
static inline size_t out_left(const block_t *b) { return (size_t)(b->out_end - b->out); }

// Moves `length` literal bytes; 0 when either side has fewer.
static inline int literal(block_t *b, size_t length) {
    const size_t source = in_left(b), room = out_left(b);
    if (length > source || length > room) return 0;
    // Most literals are short: one fixed-size move beats a call, and what it writes too much is overwritten later.
    if (length <= 16 && source >= 16 && room >= 16) memcpy(b->out, b->in, 16);
    else if (length) memcpy(b->out, b->in, length);
    b->in += length;
    b->out += length;
    return 1;
}

// Repeats `length` bytes that begin `offset` back; the two ranges may overlap. 0 when out of bounds.
static inline int copy(block_t *b, size_t offset, size_t length) {
    const size_t room = out_left(b);
    if (offset == 0 || offset > (size_t)(b->out - b->out_start) || length > room) return 0;
    uint8_t *to = b->out;
    const uint8_t *from = to - offset;
    b->out += length;
    if (offset >= 16 && room >= length + 64) {
        // Steps of 16 never read what they have not written. Most copies end within the first two steps, which come
        // without a branch; what they write behind the copy is overwritten later.
        memcpy(to, from, 16);
        memcpy(to + 16, from + 16, 16);
        for (size_t i = 32; i < length; i += 16) memcpy(to + i, from + i, 16);
    } else if (offset >= 8 && room >= length + 64) {
        for (size_t i = 0; i < length; i += 8) memcpy(to + i, from + i, 8);
    } else if (offset >= length) {
        memcpy(to, from, length);
    } else {
        // A short pattern that repeats itself, or the last bytes of the block.
        for (size_t i = 0; i < length; i++) to[i] = from[i];
    }
    return 1;
}

// The unsigned number in `count` (1...4) little-endian bytes; the caller has checked that they are there.
static inline uint32_t take(block_t *b, int count) {
    uint32_t value = 0;
    if (in_left(b) >= 4) {
        memcpy(&value, b->in, 4);  // x86-64 is little-endian
        value &= UINT32_MAX >> (32 - 8 * count);
    } else {
        for (int i = 0; i < count; i++) value |= (uint32_t)b->in[i] << (8 * i);
    }
    b->in += count;
    return value;
}

// Reads snappy's preamble, the uncompressed length as a varint of at most 32 bits; 0 when malformed.
static int preamble(block_t *b, uint64_t *length) {
    *length = 0;
    for (int shift = 0; shift < 35; shift += 7) {
        if (!in_left(b)) return 0;
        const uint8_t byte = *b->in++;
        *length |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) return *length <= UINT32_MAX;
    }
    return 0;
}

// A tag byte's low two bits tell a literal (0) from copies with 1, 2 or 4 bytes of offset (1...3).
int apus_snappy_decode(const void *input, size_t input_count, void *output, size_t output_count) {
    block_t b = {input, (const uint8_t *)input + input_count, output, output, (uint8_t *)output + output_count};
    uint64_t claimed;
    if (!preamble(&b, &claimed) || claimed != output_count) return APUS_CODEC_BAD;
    while (b.in < b.in_end) {
        const uint32_t tag = *b.in++, kind = tag & 3;
        size_t length = (tag >> 2) + 1;
        if (kind == 0) {
            if (length > 60) {  // 61...64 announce a length of 1...4 bytes
                const int bytes = (int)length - 60;
                if (in_left(&b) < (size_t)bytes) return APUS_CODEC_BAD;
                length = (size_t)take(&b, bytes) + 1;
            }
            if (!literal(&b, length)) return APUS_CODEC_BAD;
            continue;
        }
        // Which kind of copy comes next cannot be predicted, so all three are taken apart without a branch: kind 1 has
        // 3 bits of length and the offset's upper 3 bits in the tag, and 1 byte of offset; kinds 2 and 3 have 2 and 4.
        const int bytes = (int)(kind + (kind == 3)), is_short = kind == 1;
        if (in_left(&b) < (size_t)bytes) return APUS_CODEC_BAD;
        const size_t offset = take(&b, bytes) | (is_short ? (tag >> 5) << 8 : 0);
        length = is_short ? ((tag >> 2) & 7) + 4 : length;
        if (!copy(&b, offset, length)) return APUS_CODEC_BAD;
    }
    return b.out == b.out_end ? APUS_CODEC_END : APUS_CODEC_BAD;
}

// Adds LZ4's length continuation (bytes of 255, then one below) to a nibble that was 15; 0 when the input ends.
static inline int lengthen(block_t *b, size_t *length) {
    for (;;) {
        if (!in_left(b)) return 0;
        const uint8_t byte = *b->in++;
        *length += byte;  // at most 255 times the input's size: no overflow in 64 bits
        if (byte != 255) return 1;
    }
}

// Sequences of a token, literals and a copy; the token's nibbles are the literals' count and the copy's length - 4.
int apus_lz4_decode(const void *input, size_t input_count, void *output, size_t output_count) {
    block_t b = {input, (const uint8_t *)input + input_count, output, output, (uint8_t *)output + output_count};
    while (b.in < b.in_end) {
        const uint32_t token = *b.in++;
        size_t length = token >> 4;
        if (length == 15 && !lengthen(&b, &length)) return APUS_CODEC_BAD;
        if (!literal(&b, length)) return APUS_CODEC_BAD;
        if (b.in == b.in_end) return b.out == b.out_end ? APUS_CODEC_END : APUS_CODEC_BAD;  // the last sequence has no copy
        if (in_left(&b) < 2) return APUS_CODEC_BAD;
        const size_t offset = take(&b, 2);
        length = token & 15;
        if (length == 15 && !lengthen(&b, &length)) return APUS_CODEC_BAD;
        if (!copy(&b, offset, length + 4)) return APUS_CODEC_BAD;
    }
    return APUS_CODEC_BAD;  // a block ends in literals
}
