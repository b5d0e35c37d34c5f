// SPDX-License-Identifier: MIT
// Both tables use linear probing, are at most half full, grow by four, and are emptied when they may not grow any more:
// then every probe sequence still ends, and memory stays within the limit.
#define _DEFAULT_SOURCE  // madvise
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

/// Largest power of two that is at most `n`, at least 64.
static size_t power_below(size_t n) {
    size_t size = 64;
    while (size * 2 <= n) size *= 2;
    return size;
}

/// A table of free slots, aligned so that no slot lies across two cache lines. Words are looked up all over it, so a large
/// one asks for huge pages: the CPU then has to look for its addresses less often (4 % of a text's encoding).
static apus_short_slot *new_shorts(size_t slots) {
    const size_t bytes = slots * sizeof(apus_short_slot), huge = (size_t)2 << 20;
    apus_short_slot *table = aligned_alloc(bytes < huge ? 64 : huge, bytes);
    if (!table) return NULL;
#if defined(__linux__)
    // Where there are none it goes without.
    if (bytes >= huge) (void)madvise(table, bytes, MADV_HUGEPAGE);
#endif
    memset(table, 0, bytes);
    return table;
}

int apus_cache_init(apus_cache *c, size_t bytes) {
    *c = (apus_cache){0};
    // Half for short words, a quarter for the pool, an eighth for long words' slots.
    c->short_limit = power_below(bytes / 2 / sizeof *c->shorts);
    c->long_limit = power_below(bytes / 8 / sizeof *c->longs);
    c->pool_limit = bytes / 4 / sizeof *c->pool > 1024 ? bytes / 4 / sizeof *c->pool : 1024;
    if (c->pool_limit > UINT32_MAX) c->pool_limit = UINT32_MAX;
    c->short_slots = c->short_limit < 1024 ? c->short_limit : 1024;
    c->long_slots = 64;
    c->pool_size = 1024;
    c->shorts = new_shorts(c->short_slots);
    c->longs = calloc(c->long_slots, sizeof *c->longs);
    c->pool = malloc(c->pool_size * sizeof *c->pool);
    if (c->shorts && c->longs && c->pool) return 0;
    apus_cache_free(c);
    return -1;
}

void apus_cache_free(apus_cache *c) {
    free(c->shorts);
    free(c->longs);
    free(c->pool);
    *c = (apus_cache){0};
}

size_t apus_cache_size(const apus_cache *c) {
    return c->short_slots * sizeof *c->shorts + c->long_slots * sizeof *c->longs + c->pool_size * sizeof *c->pool;
}

/// Forgets all words; the memory is kept. Both tables point into the pool, so they go together.
static void clear(apus_cache *c) {
    memset(c->shorts, 0, c->short_slots * sizeof *c->shorts);
    memset(c->longs, 0, c->long_slots * sizeof *c->longs);
    c->short_used = c->long_used = c->pool_used = 0;
}

/// Room for `need` more in the pool; empties the whole cache when the pool may not grow any more.
static bool reserve_pool(apus_cache *c, size_t need) {
    if (c->pool_used + need > c->pool_limit) clear(c);
    if (c->pool_used + need <= c->pool_size) return true;
    size_t size = c->pool_size * 2 < c->pool_limit ? c->pool_size * 2 : c->pool_limit;
    uint32_t *pool = realloc(c->pool, size * sizeof *pool);
    if (!pool) return false;
    c->pool = pool, c->pool_size = size;
    return c->pool_used + need <= size;
}

/// The free slot where a word that is not in the table belongs.
static apus_short_slot *free_short(apus_short_slot *table, size_t slots, uint64_t hash) {
    size_t i = hash & (slots - 1);
    while (table[i].key[1] != 0) i = (i + 1) & (slots - 1);
    return &table[i];
}

/// Keeps the table of short words at most half full: four times as large, or emptied.
static void make_room_short(apus_cache *c) {
    if (2 * (c->short_used + 1) <= c->short_slots) return;
    size_t slots = c->short_slots * 4 < c->short_limit ? c->short_slots * 4 : c->short_limit;
    apus_short_slot *table = slots > c->short_slots ? new_shorts(slots) : NULL;
    if (!table) {
        clear(c);
        return;
    }
    for (size_t i = 0; i < c->short_slots; i++) {
        const apus_short_slot *old = &c->shorts[i];
        if (old->key[1] != 0) *free_short(table, slots, short_hash(old->key)) = *old;
    }
    free(c->shorts);
    c->shorts = table, c->short_slots = slots;
}

void apus_cache_put_short(apus_cache *c, const uint64_t key[2], const uint32_t *ids, size_t count) {
    apus_short_slot slot = {{key[0], key[1]}, {0}};
    if (count > INLINE_IDS && !reserve_pool(c, count)) return;
    make_room_short(c);
    if (count <= INLINE_IDS) {
        memcpy(slot.ids, ids, count * sizeof *ids);
        slot.ids[0] |= (uint32_t)count << 24;
    } else {
        slot.ids[1] = (uint32_t)c->pool_used, slot.ids[2] = (uint32_t)count;
        memcpy(c->pool + c->pool_used, ids, count * sizeof *ids);
        c->pool_used += count;
    }
    *free_short(c->shorts, c->short_slots, short_hash(key)) = slot;
    c->short_used++;
}

/// The same for long words.
static apus_long_slot *free_long(apus_long_slot *table, size_t slots, uint64_t hash) {
    size_t i = hash & (slots - 1);
    while (table[i].length != 0) i = (i + 1) & (slots - 1);
    return &table[i];
}

/// The same for long words as `make_room_short`.
static void make_room_long(apus_cache *c) {
    if (2 * (c->long_used + 1) <= c->long_slots) return;
    size_t slots = c->long_slots * 4 < c->long_limit ? c->long_slots * 4 : c->long_limit;
    apus_long_slot *table = slots > c->long_slots ? calloc(slots, sizeof *table) : NULL;
    if (!table) {
        clear(c);
        return;
    }
    for (size_t i = 0; i < c->long_slots; i++) {
        if (c->longs[i].length != 0) *free_long(table, slots, c->longs[i].hash) = c->longs[i];
    }
    free(c->longs);
    c->longs = table, c->long_slots = slots;
}

void apus_cache_put_long(apus_cache *c, const uint8_t *word, size_t length, uint64_t hash, const uint32_t *ids, size_t count) {
    size_t words = (length + 3) / 4;
    if (!reserve_pool(c, words + count)) return;
    make_room_long(c);
    uint32_t *at = c->pool + c->pool_used;
    memcpy(at, word, length);
    memcpy(at + words, ids, count * sizeof *ids);
    *free_long(c->longs, c->long_slots, hash) =
        (apus_long_slot){hash, (uint32_t)c->pool_used, (uint16_t)length, (uint16_t)count};
    c->pool_used += words + count;
    c->long_used++;
}

const apus_long_slot *apus_cache_find_long(const apus_cache *c, const uint8_t *word, size_t length, uint64_t hash) {
    for (size_t i = hash & (c->long_slots - 1);; i = (i + 1) & (c->long_slots - 1)) {
        const apus_long_slot *slot = &c->longs[i];
        if (slot->length == 0) return NULL;
        if (slot->hash == hash && slot->length == length && memcmp(c->pool + slot->offset, word, length) == 0) return slot;
    }
}
