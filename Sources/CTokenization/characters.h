// SPDX-License-Identifier: MIT
// Decoding and classes of characters, inline because the splitters live on them.
#ifndef APUS_CHARACTERS_H
#define APUS_CHARACTERS_H

#include <stddef.h>
#include <stdint.h>

#include "unicode_tables.h"

enum { CLASS_OTHER = 0, CLASS_LETTER = 1, CLASS_NUMBER = 2, CLASS_SPACE = 3 };

/// A character of well-formed UTF-8: how many bytes it has and what class it is of.
typedef struct {
    int bytes, class;
} apus_character;

static inline int class_of(uint32_t c) {
    uint32_t in_block = c & 127;
    return apus_unicode_classes[(uint32_t)apus_unicode_block[c >> 7] * 32 + (in_block >> 2)] >> (2 * (in_block & 3)) & 3;
}

/// The character at `p`, which must begin well-formed UTF-8.
static inline apus_character character_at(const uint8_t *p) {
    uint32_t c = p[0];
    if (c < 0x80) return (apus_character){1, class_of(c)};
    if (c < 0xE0) return (apus_character){2, class_of((c & 0x1F) << 6 | (p[1] & 0x3F))};
    if (c < 0xF0) return (apus_character){3, class_of((c & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F))};
    c = (c & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
    return (apus_character){4, class_of(c)};
}

#endif
