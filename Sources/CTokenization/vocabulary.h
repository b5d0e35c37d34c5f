// SPDX-License-Identifier: MIT
// The immutable tables that encoders share.
#ifndef APUS_VOCABULARY_H
#define APUS_VOCABULARY_H

#include "CTokenization.h"

#define NO_RANK UINT32_MAX

/// A merge; `rank` is NO_RANK where there is none.
typedef struct {
    uint32_t rank, result;
} apus_merge;

/// A slot of the hash table of merges; free while its rank is NO_RANK.
typedef struct {
    uint64_t pair;
    apus_merge merge;
} apus_merge_slot;

struct apus_bpe {
    uint32_t count;
    uint32_t *offsets;  // count + 1
    uint8_t *bytes;
    uint32_t byte_ids[256];
    size_t longest;  // bytes of the longest token
    apus_split split;
    bool whole_words;
    apus_merge_slot *merges;  // linear probing, at most half full
    uint32_t merge_shift, merge_count, merge_capacity;
    uint32_t *tokens;  // ids by the hash of their bytes, linear probing, at most half full
    uint32_t token_mask;
};

static inline uint64_t mix(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline apus_merge_slot *merge_slot(const apus_bpe *b, uint32_t left, uint32_t right) {
    uint64_t pair = (uint64_t)left << 32 | right;
    uint64_t mask = (1ull << (64 - b->merge_shift)) - 1;
    for (uint64_t i = (pair * 0x9E3779B97F4A7C15u) >> b->merge_shift;; i = (i + 1) & mask) {
        apus_merge_slot *slot = &b->merges[i];
        if (slot->pair == pair || slot->merge.rank == NO_RANK) return slot;
    }
}

/// The merge of two neighbouring tokens.
static inline apus_merge merge_of(const apus_bpe *b, uint32_t left, uint32_t right) {
    return merge_slot(b, left, right)->merge;
}

/// Hash of some bytes, 8 at a time.
uint64_t apus_hash(const uint8_t *bytes, size_t length);

/// Working memory of merging, grown when a longer word comes.
typedef struct {
    uint32_t *id, *next, *previous, *rank;
    uint64_t *heap;
    size_t capacity;
} apus_merger;

void apus_merger_free(apus_merger *m);

/// Merges the bytes of one word; `ids` has room for `length`. Returns the number of ids, -1 when memory ran out.
ptrdiff_t apus_merge_bytes(const apus_bpe *b, apus_merger *m, const uint8_t *word, size_t length, uint32_t *ids);

/// Whether the tokens `left` and `right` stay as they are when only their bytes stand side by side.
int apus_stays_apart(const apus_bpe *b, apus_merger *m, uint32_t left, uint32_t right, bool *apart);

#endif
