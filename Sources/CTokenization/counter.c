// SPDX-License-Identifier: MIT
// Counting the different words of a text: an open hash table over one growing block of bytes.
#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

/// Word starts fetched at once.
#define STARTS 256

/// A different word: where its bytes lie, and how often it came.
typedef struct {
    size_t offset;
    uint32_t length, hash;
    uint64_t count;
} word_entry;

struct apus_counter {
    apus_split split;
    size_t limit;
    word_entry *words;
    size_t count, capacity;
    uint32_t *slots;  // index of a word plus one, 0 free; at most half full
    size_t slot_count;
    uint8_t *bytes;
    size_t bytes_used, bytes_size;
};

apus_counter *apus_counter_create(apus_split split, size_t limit) {
    apus_counter *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->split = split;
    c->limit = limit < UINT32_MAX / 2 ? limit : UINT32_MAX / 2;
    c->slot_count = 1024;
    c->slots = calloc(c->slot_count, sizeof *c->slots);
    if (c->slots) return c;
    free(c);
    return NULL;
}

void apus_counter_destroy(apus_counter *c) {
    if (!c) return;
    free(c->words);
    free(c->slots);
    free(c->bytes);
    free(c);
}

size_t apus_counter_words(const apus_counter *c) { return c->count; }

const uint8_t *apus_counter_word(const apus_counter *c, size_t i, size_t *length, uint64_t *count) {
    *length = c->words[i].length, *count = c->words[i].count;
    return c->bytes + c->words[i].offset;
}

/// Grows an array to hold `need`, doubling.
static int grow(void **array, size_t *capacity, size_t need, size_t element) {
    if (need <= *capacity) return 0;
    size_t size = *capacity * 2 > 1024 ? *capacity * 2 : 1024;
    while (size < need) size *= 2;
    void *larger = realloc(*array, size * element);
    if (!larger) return -1;
    *array = larger, *capacity = size;
    return 0;
}

/// Makes the table four times as large when it is half full.
static int grow_slots(apus_counter *c) {
    if (2 * (c->count + 1) <= c->slot_count) return 0;
    size_t size = c->slot_count * 4;
    uint32_t *slots = calloc(size, sizeof *slots);
    if (!slots) return -1;
    for (size_t w = 0; w < c->count; w++) {
        size_t i = c->words[w].hash & (size - 1);
        while (slots[i] != 0) i = (i + 1) & (size - 1);
        slots[i] = (uint32_t)w + 1;
    }
    free(c->slots);
    c->slots = slots, c->slot_count = size;
    return 0;
}

/// Adds to the count of a word, which is copied when it is new.
static int add_word(apus_counter *c, const uint8_t *word, size_t length, uint32_t hash, uint64_t count) {
    size_t i = hash & (c->slot_count - 1);
    for (; c->slots[i] != 0; i = (i + 1) & (c->slot_count - 1)) {
        word_entry *w = &c->words[c->slots[i] - 1];
        if (w->hash == hash && w->length == length && memcmp(c->bytes + w->offset, word, length) == 0) {
            w->count += count;
            return 0;
        }
    }
    if (c->count >= c->limit) return -2;
    if (grow((void **)&c->words, &c->capacity, c->count + 1, sizeof *c->words) != 0) return -1;
    if (grow((void **)&c->bytes, &c->bytes_size, c->bytes_used + length, 1) != 0) return -1;
    memcpy(c->bytes + c->bytes_used, word, length);
    c->words[c->count++] = (word_entry){c->bytes_used, (uint32_t)length, hash, count};
    c->bytes_used += length;
    c->slots[i] = (uint32_t)c->count;
    return grow_slots(c);
}

/// Counts a word, cutting one that is too long at a character.
static int count_word(apus_counter *c, const uint8_t *word, size_t length) {
    while (length > APUS_LONGEST_TRAINING_WORD) {
        size_t piece = APUS_LONGEST_TRAINING_WORD;
        while ((word[piece] & 0xC0) == 0x80) piece--;
        int status = add_word(c, word, piece, (uint32_t)apus_hash(word, piece), 1);
        if (status != 0) return status;
        word += piece, length -= piece;
    }
    return add_word(c, word, length, (uint32_t)apus_hash(word, length), 1);
}

/// Counts the words of well-formed UTF-8.
static int count_text(apus_counter *c, const uint8_t *text, size_t length) {
    apus_splitter splitter;
    apus_splitter_start(&splitter, c->split, text, length);
    size_t starts[STARTS + 1], kept = 0, n;
    while ((n = apus_splitter_next(&splitter, starts + kept, STARTS)) > 0) {
        n += kept;
        for (size_t i = 0; i + 1 < n; i++) {
            int status = count_word(c, text + starts[i], starts[i + 1] - starts[i]);
            if (status != 0) return status;
        }
        starts[0] = starts[n - 1], kept = 1;
    }
    return 0;
}

int apus_counter_add_text(apus_counter *c, const uint8_t *text, size_t length) {
    if (length == 0) return 0;
    if (apus_utf8_valid_prefix(text, length) == length) return count_text(c, text, length);
    uint8_t *repaired = length > SIZE_MAX / 3 ? NULL : malloc(3 * length);
    if (!repaired) return -1;
    int status = count_text(c, repaired, apus_utf8_repair(text, length, repaired));
    free(repaired);
    return status;
}

int apus_counter_add_counter(apus_counter *c, const apus_counter *other) {
    for (size_t i = 0; i < other->count; i++) {
        const word_entry *w = &other->words[i];
        int status = add_word(c, other->bytes + w->offset, w->length, w->hash, w->count);
        if (status != 0) return status;
    }
    return 0;
}
