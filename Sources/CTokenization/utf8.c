// SPDX-License-Identifier: MIT
// Checking and mending UTF-8.
#include <string.h>

#include "CTokenization.h"
#include "characters.h"
#include "scan.h"

int apus_unicode_class(uint32_t code_point) { return code_point < 0x110000 ? class_of(code_point) : CLASS_OTHER; }

/// Bytes of the well-formed character at `p`, or minus the length of the maximal ill-formed subsequence there.
static int sequence(const uint8_t *p, size_t left) {
    uint8_t a = p[0];
    if (a < 0x80) return 1;
    if (a < 0xC2 || a > 0xF4) return -1;
    int bytes = a < 0xE0 ? 2 : a < 0xF0 ? 3 : 4;
    // The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF.
    uint8_t low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80;
    uint8_t high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
    for (int i = 1; i < bytes; i++) {
        if ((size_t)i >= left || p[i] < low || p[i] > high) return -i;
        low = 0x80, high = 0xBF;
    }
    return bytes;
}

size_t apus_utf8_valid_prefix(const uint8_t *text, size_t length) {
    size_t at = apus_utf8_valid_blocks(text, length);
    while (at < length) {
        // Most text is ASCII: 32 bytes at a time while no byte has its high bit.
        while (at + 32 <= length) {
            uint64_t w[4];
            memcpy(w, text + at, 32);
            if ((w[0] | w[1] | w[2] | w[3]) & 0x8080808080808080u) break;
            at += 32;
        }
        for (size_t stop = at + 32 < length ? at + 32 : length; at < stop;) {
            if (text[at] < 0x80) {
                at++;
                continue;
            }
            int bytes = sequence(text + at, length - at);
            if (bytes < 0) return at;
            at += (size_t)bytes;
        }
    }
    return length;
}

size_t apus_utf8_repair(const uint8_t *text, size_t length, uint8_t *out) {
    size_t at = 0, written = 0;
    while (at < length) {
        size_t good = apus_utf8_valid_prefix(text + at, length - at);
        memcpy(out + written, text + at, good);
        at += good, written += good;
        if (at == length) break;
        at += (size_t)-sequence(text + at, length - at);
        memcpy(out + written, "\xEF\xBF\xBD", 3);
        written += 3;
    }
    return written;
}
