// SPDX-License-Identifier: MIT
#include "vocabulary.h"

#include <stdlib.h>
#include <string.h>

uint64_t apus_hash(const uint8_t *bytes, size_t length) {
    uint64_t h = length * 0x9E3779B97F4A7C15u, w;
    for (; length >= 8; bytes += 8, length -= 8) {
        memcpy(&w, bytes, 8);
        h = mix(h ^ w, 0xA0761D6478BD642Fu);
    }
    w = 0;
    if (length > 0) memcpy(&w, bytes, length);
    return mix(h ^ w ^ 0xE7037ED1A0B428DBu, 0x8EBC6AF09C88C6E3u);
}

/// Smallest power of two that is at least twice `count`.
static uint64_t table_size(uint64_t count) {
    uint64_t size = 16;
    while (size < 2 * count) size *= 2;
    return size;
}

/// The slot of these bytes in the table of tokens: the one that holds them or the free one where they belong.
static uint32_t *token_slot(const apus_bpe *b, const uint8_t *bytes, size_t length) {
    for (uint64_t i = apus_hash(bytes, length) & b->token_mask;; i = (i + 1) & b->token_mask) {
        uint32_t id = b->tokens[i];
        if (id == APUS_NO_TOKEN) return &b->tokens[i];
        uint32_t at = b->offsets[id];
        if (b->offsets[id + 1] - at == length && memcmp(b->bytes + at, bytes, length) == 0) return &b->tokens[i];
    }
}

/// Enters the tokens into the table; of two with the same bytes the lower id counts.
static void index_tokens(apus_bpe *b) {
    memset(b->byte_ids, 0xFF, sizeof b->byte_ids);
    for (uint32_t id = 0; id < b->count; id++) {
        size_t length = b->offsets[id + 1] - b->offsets[id];
        if (length == 0) continue;
        const uint8_t *bytes = b->bytes + b->offsets[id];
        uint32_t *slot = token_slot(b, bytes, length);
        if (*slot != APUS_NO_TOKEN) continue;
        *slot = id;
        if (length == 1) b->byte_ids[bytes[0]] = id;
        if (length > b->longest) b->longest = length;
    }
}

apus_bpe *apus_bpe_create(const uint8_t *bytes, const uint32_t *offsets, uint32_t count, apus_split split, bool whole_words,
                          uint32_t merge_capacity) {
    if (count > APUS_MAX_TOKENS || merge_capacity > 1u << 30) return NULL;
    apus_bpe *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    uint64_t token_slots = table_size(count), merge_slots = table_size(merge_capacity);
    size_t total = offsets[count];
    b->count = count, b->split = split, b->whole_words = whole_words;
    b->merge_capacity = merge_capacity, b->token_mask = (uint32_t)(token_slots - 1);
    b->merge_shift = 64 - (uint32_t)__builtin_ctzll(merge_slots);
    b->offsets = malloc(((size_t)count + 1) * sizeof *b->offsets);
    b->bytes = malloc(total + 1);
    b->tokens = malloc(token_slots * sizeof *b->tokens);
    b->merges = malloc(merge_slots * sizeof *b->merges);
    if (!b->offsets || !b->bytes || !b->tokens || !b->merges) {
        apus_bpe_destroy(b);
        return NULL;
    }
    memcpy(b->offsets, offsets, ((size_t)count + 1) * sizeof *offsets);
    if (total > 0) memcpy(b->bytes, bytes, total);
    memset(b->tokens, 0xFF, token_slots * sizeof *b->tokens);
    memset(b->merges, 0xFF, merge_slots * sizeof *b->merges);
    index_tokens(b);
    return b;
}

void apus_bpe_destroy(apus_bpe *b) {
    if (!b) return;
    free(b->offsets);
    free(b->bytes);
    free(b->tokens);
    free(b->merges);
    free(b);
}

bool apus_bpe_add_merge(apus_bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t result) {
    apus_merge_slot *slot = merge_slot(b, left, right);
    if (slot->merge.rank == NO_RANK) {
        if (b->merge_count == b->merge_capacity) return false;
        b->merge_count++;
    }
    *slot = (apus_merge_slot){(uint64_t)left << 32 | right, {rank, result}};
    return true;
}

uint32_t apus_bpe_find(const apus_bpe *b, const uint8_t *bytes, size_t length) {
    return length == 0 || length > b->longest ? APUS_NO_TOKEN : *token_slot(b, bytes, length);
}

const uint8_t *apus_bpe_bytes(const apus_bpe *b, uint32_t id, size_t *length) {
    *length = 0;
    if (id >= b->count) return NULL;
    *length = b->offsets[id + 1] - b->offsets[id];
    return b->bytes + b->offsets[id];
}
