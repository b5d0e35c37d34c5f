// SPDX-License-Identifier: MIT
// Splitting by hand-written scanners: one word after another for GPT-4's family; GPT-2's is in split_gpt2.c.
#include "split.h"

#include <string.h>

#include "characters.h"

void apus_splitter_start(apus_splitter *s, apus_split split, const uint8_t *text, size_t length) {
    *s = (apus_splitter){.text = text, .length = length, .split = split, .most_code = APUS_SPLIT_AVX512};
}

/// End of the run of characters of one class that begins at `at`.
static inline size_t run_end(const uint8_t *text, size_t at, size_t length, int class) {
    while (at < length) {
        apus_character c = character_at(text + at);
        if (c.class != class) break;
        at += (size_t)c.bytes;
    }
    return at;
}

/// Length of `(?i:'s|'t|'re|'ve|'m|'ll|'d)` at an apostrophe, 0 when it is not there.
/// Unicode folds U+017F (long s, C5 BF) to s; the other letters have no such partner.
static size_t contraction(const uint8_t *p, size_t left) {
    if (left < 2) return 0;
    uint8_t a = p[1] | 0x20, b = left > 2 ? p[2] | 0x20 : 0;
    if (p[1] < 0x80 && (a == 's' || a == 't' || a == 'm' || a == 'd')) return 2;
    if (left < 3) return 0;
    if (p[1] == 0xC5 && p[2] == 0xBF) return 3;
    if (p[1] >= 0x80 || p[2] >= 0x80) return 0;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
}

/// End of a word that begins with white space which belongs to no following word:
/// `\s*[\r\n]+|\s+(?!\S)|\s+`, preceded by `\s+$` in tiktoken's form.
static size_t space_end(const uint8_t *text, size_t at, size_t length, bool whole_at_end) {
    size_t end = at, last = at, newline = 0;
    while (end < length) {
        apus_character c = character_at(text + end);
        if (c.class != CLASS_SPACE) break;
        last = end;
        if (text[end] == '\n' || text[end] == '\r') newline = end + 1;
        end += (size_t)c.bytes;
    }
    if (whole_at_end && end == length) return end;
    if (newline > 0) return newline;
    // Before a word the last white-space character is left to it, if there is another.
    return end < length && last > at ? last : end;
}

/// End of the word at `at` for
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|` and white space.
static size_t cl100k_end(const uint8_t *text, size_t at, size_t length, int digits, bool whole_at_end) {
    uint8_t first = text[at];
    if (first == '\'') {
        size_t bytes = contraction(text + at, length - at);
        if (bytes > 0) return at + bytes;
    }
    apus_character c = character_at(text + at);
    size_t next = at + (size_t)c.bytes;
    if (c.class == CLASS_LETTER) return run_end(text, next, length, CLASS_LETTER);
    if (c.class == CLASS_NUMBER) {
        for (int n = 1; n < digits && next < length; n++) {
            apus_character d = character_at(text + next);
            if (d.class != CLASS_NUMBER) break;
            next += (size_t)d.bytes;
        }
        return next;
    }
    if (next < length && first != '\r' && first != '\n') {
        apus_character d = character_at(text + next);
        if (d.class == CLASS_LETTER) return run_end(text, next + (size_t)d.bytes, length, CLASS_LETTER);
        if (first == ' ' && d.class == CLASS_OTHER) c.class = CLASS_OTHER;
    }
    if (c.class == CLASS_OTHER) {
        next = run_end(text, next, length, CLASS_OTHER);
        while (next < length && (text[next] == '\r' || text[next] == '\n')) next++;
        return next;
    }
    return space_end(text, at, length, whole_at_end);
}

size_t apus_splitter_next(apus_splitter *s, size_t *starts, size_t capacity) {
    if (s->done) return 0;
    if (s->split == APUS_SPLIT_GPT2) return apus_split_gpt2(s, starts, capacity);
    size_t n = 0;
    int digits = s->split == APUS_SPLIT_QWEN2 ? 1 : 3;
    bool whole_at_end = s->split == APUS_SPLIT_CL100K_END;
    while (s->at < s->length && n < capacity) {
        starts[n++] = s->at;
        s->at = s->split == APUS_SPLIT_NONE ? s->length : cl100k_end(s->text, s->at, s->length, digits, whole_at_end);
    }
    if (s->at >= s->length && n < capacity) {
        starts[n++] = s->length;
        s->done = true;
    }
    return n;
}
