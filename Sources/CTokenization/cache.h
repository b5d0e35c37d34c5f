// SPDX-License-Identifier: MIT
// What an encoder remembers: the ids of words it has merged before, in bounded memory.
//
// Words of up to 15 bytes are their own key: the bytes and the length fill 16 bytes that are compared at once, and up
// to four ids lie in the same slot, half a cache line. Longer words, and ids beyond four, lie in one pool of words.
// A cache that is full is emptied: what is frequent comes back at once, and no bookkeeping costs time meanwhile.
#ifndef APUS_CACHE_H
#define APUS_CACHE_H

#include "CTokenization.h"

#define SHORT_KEY 15   // bytes of the longest word that is its own key
#define LONG_KEY 255   // bytes of the longest word that is remembered at all
#define INLINE_IDS 4
#define ID_MASK 0xFFFFFFu

/// A word of up to 15 bytes. `key[1]` holds the length in its top byte; 0 marks a free slot.
/// `ids[0]` holds the number of ids in its top byte, 0 when ids[1], ids[2] are their offset and number in the pool.
typedef struct {
    uint64_t key[2];
    uint32_t ids[INLINE_IDS];
} __attribute__((aligned(32))) apus_short_slot;

/// A longer word: `offset` into the pool, where the bytes lie, padded to four, and then the ids. Free when length 0.
typedef struct {
    uint64_t hash;
    uint32_t offset;
    uint16_t length, count;
} apus_long_slot;

typedef struct {
    apus_short_slot *shorts;
    apus_long_slot *longs;
    uint32_t *pool;
    size_t short_slots, short_used, short_limit;
    size_t long_slots, long_used, long_limit;
    size_t pool_used, pool_size, pool_limit;  // in uint32_t
} apus_cache;

/// Makes a small cache that grows up to about `bytes`.
int apus_cache_init(apus_cache *c, size_t bytes);
void apus_cache_free(apus_cache *c);
size_t apus_cache_size(const apus_cache *c);

/// Remembers the ids of a word; does nothing when memory runs out. Pointers into the cache are invalid afterwards.
void apus_cache_put_short(apus_cache *c, const uint64_t key[2], const uint32_t *ids, size_t count);
void apus_cache_put_long(apus_cache *c, const uint8_t *word, size_t length, uint64_t hash, const uint32_t *ids, size_t count);

/// The slot of a long word, or NULL.
const apus_long_slot *apus_cache_find_long(const apus_cache *c, const uint8_t *word, size_t length, uint64_t hash);

/// Hash of a short word's key.
static inline uint64_t short_hash(const uint64_t key[2]) {
    unsigned __int128 p = (unsigned __int128)(key[0] ^ 0xA0761D6478BD642Fu) * (key[1] ^ 0xE7037ED1A0B428DBu);
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/// Where a long word's ids lie.
static inline const uint32_t *long_ids(const apus_cache *c, const apus_long_slot *slot) {
    return c->pool + slot->offset + (slot->length + 3u) / 4;
}

#endif
