// SPDX-License-Identifier: MIT
// Encoding: words are split off in batches, their keys and hashes computed and their cache lines asked for, and only
// then are they looked up, so that the memory works while the next words are prepared.
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "vocabulary.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#define BATCH 256
#define WINDOW 4096
#define SEAM_TRIES 32

struct apus_encoder {
    const apus_bpe *vocabulary;
    apus_cache cache;
    apus_merger merger;
    apus_splitter splitter;
    const uint8_t *text;
    size_t length;
    uint8_t *repaired;  // a copy of the text when it was ill-formed
    // The batch: words [word, words) are still to be encoded; word i is text[starts[i], starts[i + 1]).
    size_t starts[BATCH + 1], word, words;
    uint64_t key[BATCH][2], hash[BATCH];
    // A word longer than the window: [long_at, long_end) is to come, of which `ids` holds the first `held` tokens.
    size_t window, long_at, long_end, held, given;
    uint32_t *ids, *next_ids;
    uint32_t *rest;  // ids of a whole long word, when it cannot be cut
    uint32_t wide[WINDOW];  // ids on their way to 16 bits
};

apus_encoder *apus_encoder_create(const apus_bpe *b, size_t cache_bytes, size_t window) {
    apus_encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->vocabulary = b;
    e->window = window == 0 || window > WINDOW ? WINDOW : window < 2 * LONG_KEY ? 2 * LONG_KEY : window;
    if (apus_cache_init(&e->cache, cache_bytes) != 0) {
        free(e);
        return NULL;
    }
    return e;
}

void apus_encoder_destroy(apus_encoder *e) {
    if (!e) return;
    apus_cache_free(&e->cache);
    apus_merger_free(&e->merger);
    free(e->repaired);
    free(e->ids);
    free(e->next_ids);
    free(e->rest);
    free(e);
}

size_t apus_encoder_cache_bytes(const apus_encoder *e) { return apus_cache_size(&e->cache); }

void apus_encoder_start_well_formed(apus_encoder *e, const uint8_t *text, size_t length) {
    free(e->repaired);
    free(e->rest);
    e->repaired = NULL, e->rest = NULL;
    e->word = e->words = e->long_at = e->long_end = e->held = e->given = 0;
    e->text = text, e->length = length;
    apus_splitter_start(&e->splitter, e->vocabulary->split, text, length);
    if (length == 0) e->splitter.done = true;
}

int apus_encoder_start(apus_encoder *e, const uint8_t *text, size_t length) {
    if (length == 0 || apus_utf8_valid_prefix(text, length) == length) {
        apus_encoder_start_well_formed(e, text, length);
        return 0;
    }
    if (length > SIZE_MAX / 3) return -1;
    uint8_t *repaired = malloc(3 * length);
    if (!repaired) return -1;
    length = apus_utf8_repair(text, length, repaired);
    apus_encoder_start_well_formed(e, repaired, length);
    e->repaired = repaired;
    return 0;
}

/// Keeps the first n bytes of 16.
static const uint64_t key_mask[SHORT_KEY + 1][2] = {
#define LOW(n) {(1ull << (8 * (n))) - 1, 0}
#define HIGH(n) {~0ull, (1ull << (8 * (n))) - 1}
    LOW(0),  LOW(1),  LOW(2),  LOW(3),  LOW(4),  LOW(5),  LOW(6),  LOW(7),
    HIGH(0), HIGH(1), HIGH(2), HIGH(3), HIGH(4), HIGH(5), HIGH(6), HIGH(7),
};

/// The bytes of a word that ends less than 16 bytes before the text does. Not inlined: the compiler would join this copy with
/// the usual one of 16 bytes into a call for every word.
static __attribute__((noinline)) void load_at_end(const uint8_t *word, size_t length, uint64_t bytes[2]) {
    bytes[0] = bytes[1] = 0;
    memcpy(bytes, word, length);
}

/// Fetches the next words and makes their keys. False at the end of the text.
static bool refill(apus_encoder *e) {
    // The last start of the batch before is the first of this one; at first there is none.
    size_t kept = 0;
    if (e->words > 0) e->starts[0] = e->starts[e->words], kept = 1;
    size_t n = apus_splitter_next(&e->splitter, e->starts + kept, BATCH + 1 - kept);
    e->word = 0;
    e->words = n == 0 || n + kept < 2 ? 0 : n + kept - 1;
    const uint8_t *const text = e->text;
    const size_t words = e->words, text_length = e->length, mask = e->cache.short_slots - 1;
    const apus_short_slot *const shorts = e->cache.shorts;
    for (size_t i = 0; i < words; i++) {
        const size_t start = e->starts[i], length = e->starts[i + 1] - start;
        if (length > SHORT_KEY) {
            e->key[i][1] = 0;
            continue;
        }
        uint64_t bytes[2];
        if (__builtin_expect(text_length - start >= 16, 1)) {
            memcpy(&bytes[0], text + start, 8);
            memcpy(&bytes[1], text + start + 8, 8);
        } else {
            load_at_end(text + start, length, bytes);
        }
        const uint64_t key[2] = {bytes[0] & key_mask[length][0],
                                 (bytes[1] & key_mask[length][1]) | (uint64_t)length << 56};
        const uint64_t hash = short_hash(key);
        e->key[i][0] = key[0], e->key[i][1] = key[1], e->hash[i] = hash;
        __builtin_prefetch(&shorts[hash & mask]);
    }
    return words > 0;
}

/// Encodes one word without the cache.
static ptrdiff_t merge_word(apus_encoder *e, const uint8_t *word, size_t length, uint32_t *ids) {
    if (e->vocabulary->whole_words) {
        ids[0] = apus_bpe_find(e->vocabulary, word, length);
        if (ids[0] != APUS_NO_TOKEN) return 1;
    }
    return apus_merge_bytes(e->vocabulary, &e->merger, word, length, ids);
}

/// A short word that is not in the cache's slot with inline ids.
static ptrdiff_t short_word(apus_encoder *e, size_t i, const apus_short_slot *slot, uint32_t *ids) {
    if (slot->key[1] != 0) {
        memcpy(ids, e->cache.pool + slot->ids[1], slot->ids[2] * sizeof *ids);
        return (ptrdiff_t)slot->ids[2];
    }
    ptrdiff_t n = merge_word(e, e->text + e->starts[i], e->starts[i + 1] - e->starts[i], ids);
    if (n > 0) apus_cache_put_short(&e->cache, e->key[i], ids, (size_t)n);
    return n;
}

/// A word of 16 bytes or more, up to the window.
static ptrdiff_t long_word(apus_encoder *e, const uint8_t *word, size_t length, uint32_t *ids) {
    if (length > LONG_KEY) return merge_word(e, word, length, ids);
    uint64_t hash = apus_hash(word, length);
    const apus_long_slot *slot = apus_cache_find_long(&e->cache, word, length, hash);
    if (slot) {
        memcpy(ids, long_ids(&e->cache, slot), slot->count * sizeof *ids);
        return slot->count;
    }
    ptrdiff_t n = merge_word(e, word, length, ids);
    if (n > 0) apus_cache_put_long(&e->cache, word, length, hash, ids, (size_t)n);
    return n;
}

// ---- Words longer than the window -----------------------------------------------------------------------------------
//
// Tokens t1 ... tn are what merging makes of their bytes exactly when every two neighbours are what merging makes of
// theirs: as long as no merge crosses a border, both sides merge as if alone, and the first merge that crosses the
// border of two tokens would cross it without their surroundings too. So a long word may be merged in windows: cut
// behind a token of one window, merge the next window from there, and look whether the two tokens at the cut stay
// apart. If they do not, cut one token earlier. Memory is that of two windows, whatever the word's length.

/// Two windows' ids: the one at work and the one behind the cut.
static int allocate_window(apus_encoder *e) {
    if (!e->ids) e->ids = malloc(e->window * sizeof *e->ids);
    if (!e->next_ids) e->next_ids = malloc(e->window * sizeof *e->next_ids);
    return e->ids && e->next_ids ? 0 : -1;
}

/// Merges the window at `at` into `ids`.
static ptrdiff_t merge_window(apus_encoder *e, size_t at, uint32_t *ids) {
    size_t left = e->long_end - at;
    return apus_merge_bytes(e->vocabulary, &e->merger, e->text + at, left < e->window ? left : e->window, ids);
}

static size_t token_length(const apus_encoder *e, uint32_t id) {
    return e->vocabulary->offsets[id + 1] - e->vocabulary->offsets[id];
}

/// Merges what is left of a long word at once, when no cut is found.
static int merge_rest(apus_encoder *e) {
    size_t left = e->long_end - e->long_at;
    e->rest = malloc(left * sizeof *e->rest);
    if (!e->rest) return -1;
    ptrdiff_t n = apus_merge_bytes(e->vocabulary, &e->merger, e->text + e->long_at, left, e->rest);
    apus_merger_free(&e->merger);
    if (n < 0) return -1;
    e->held = (size_t)n, e->given = 0;
    return 0;
}

/// Gives tokens of the long word. Returns their number; 0 at its end.
static ptrdiff_t long_step(apus_encoder *e, uint32_t *out, size_t capacity) {
    if (e->rest) {
        size_t n = e->held - e->given < capacity ? e->held - e->given : capacity;
        memcpy(out, e->rest + e->given, n * sizeof *out);
        e->given += n;
        if (e->given == e->held) free(e->rest), e->rest = NULL, e->long_at = e->long_end, e->held = 0;
        return (ptrdiff_t)n;
    }
    if (e->held == 0) {
        if (allocate_window(e) != 0) return -1;
        ptrdiff_t n = merge_window(e, e->long_at, e->ids);
        if (n < 0) return -1;
        e->held = (size_t)n;
    }
    if (e->long_end - e->long_at <= e->window) {
        memcpy(out, e->ids, e->held * sizeof *out);
        e->long_at = e->long_end;
        size_t n = e->held;
        e->held = 0;
        return (ptrdiff_t)n;
    }
    // Cut a little before the window's end, where the tokens do not yet feel that the text goes on.
    size_t keep = e->held - e->held / 8;
    for (int try = 0; try < SEAM_TRIES && keep > 1; try++, keep--) {
        size_t at = e->long_at;
        for (size_t i = 0; i < keep; i++) at += token_length(e, e->ids[i]);
        ptrdiff_t n = merge_window(e, at, e->next_ids);
        bool apart = false;
        if (n < 0 || apus_stays_apart(e->vocabulary, &e->merger, e->ids[keep - 1], e->next_ids[0], &apart) != 0) return -1;
        if (!apart) continue;
        memcpy(out, e->ids, keep * sizeof *out);
        uint32_t *used = e->ids;
        e->ids = e->next_ids, e->next_ids = used;
        e->held = (size_t)n, e->long_at = at;
        return (ptrdiff_t)keep;
    }
    if (merge_rest(e) != 0) return -1;
    return long_step(e, out, capacity);
}

// ---- The loop -------------------------------------------------------------------------------------------------------

/// Looks for a short word behind its first slot, `home`. Returns its slot or the free one that ends the search.
/// A word found is changed places with the one in front, so that frequent words come to stand where they are looked
/// for first. Nobody becomes unreachable: the slots in between are taken, and the other word's own first slot is not
/// behind `home`.
static apus_short_slot *probe_further(apus_cache *c, size_t home, const uint64_t key[2]) {
    apus_short_slot *front = &c->shorts[home], *slot = front;
    for (size_t at = home; slot->key[1] != 0; slot = &c->shorts[at]) {
        if (slot->key[0] == key[0] && slot->key[1] == key[1]) {
            apus_short_slot found = *slot;
            *slot = *front;
            *front = found;
            return front;
        }
        at = (at + 1) & (c->short_slots - 1);
    }
    return slot;
}

/// Stores a slot's four ids, however many count: no branch to guess. Its number of ids is above their 24 bits.
static inline void store_slot(const apus_short_slot *slot, void *ids, size_t at, bool narrow) {
    if (!narrow) {
        uint32_t *to = (uint32_t *)ids + at;
        memcpy(to, slot->ids, sizeof slot->ids);
        to[0] &= ID_MASK;
        return;
    }
#if defined(__x86_64__)
    __m128i four = _mm_load_si128((const __m128i *)slot->ids);
    four = _mm_shufflehi_epi16(_mm_shufflelo_epi16(four, _MM_SHUFFLE(3, 3, 2, 0)), _MM_SHUFFLE(3, 3, 2, 0));
    _mm_storel_epi64((__m128i *)((uint16_t *)ids + at), _mm_shuffle_epi32(four, _MM_SHUFFLE(3, 3, 2, 0)));
#else
    uint16_t *to = (uint16_t *)ids + at;
    for (int i = 0; i < INLINE_IDS; i++) to[i] = (uint16_t)slot->ids[i];
#endif
}

/// Where a rarer word's ids are put, and how they get from there to their place when that has 16 bits an id.
static inline uint32_t *rare_place(apus_encoder *e, void *ids, size_t at, bool narrow) {
    return narrow ? e->wide : (uint32_t *)ids + at;
}

static inline void rare_done(const apus_encoder *e, void *ids, size_t at, ptrdiff_t count, bool narrow) {
    if (narrow && count > 0) apus_narrow_ids(e->wide, (size_t)count, (uint16_t *)ids + at);
}

/// Encodes the words of the batch while there is room. Returns the number of ids or -1.
static inline __attribute__((always_inline)) ptrdiff_t encode_batch(apus_encoder *e, void *ids, size_t capacity, bool narrow) {
    size_t n = 0, i = e->word;
    for (; i < e->words; i++) {
        ptrdiff_t count;
        if (capacity - n < SHORT_KEY + 1) break;
        if (e->key[i][1] != 0) {
            size_t mask = e->cache.short_slots - 1, at = e->hash[i] & mask;
            apus_short_slot *slot = &e->cache.shorts[at];
            if (__builtin_expect(slot->key[0] != e->key[i][0] || slot->key[1] != e->key[i][1], 0)) {
                slot = probe_further(&e->cache, at, e->key[i]);
            }
            count = slot->ids[0] >> 24;
            if (__builtin_expect(count != 0, 1)) {
                store_slot(slot, ids, n, narrow);
                n += (size_t)count;
                continue;
            }
            count = short_word(e, i, slot, rare_place(e, ids, n, narrow));
        } else {
            size_t length = e->starts[i + 1] - e->starts[i];
            if (length > e->window) {
                e->long_at = e->starts[i], e->long_end = e->starts[i + 1];
                i++;
                break;
            }
            if (capacity - n < length) break;
            count = long_word(e, e->text + e->starts[i], length, rare_place(e, ids, n, narrow));
        }
        if (count < 0) return -1;
        rare_done(e, ids, n, count, narrow);
        n += (size_t)count;
    }
    e->word = i;
    return (ptrdiff_t)n;
}

static inline __attribute__((always_inline)) ptrdiff_t next(apus_encoder *e, void *ids, size_t capacity, bool narrow) {
    const size_t size = narrow ? sizeof(uint16_t) : sizeof(uint32_t);
    size_t n = 0;
    for (;;) {
        void *here = (char *)ids + n * size;
        ptrdiff_t count;
        if (e->long_at < e->long_end) {
            // One step gives at most a window of ids.
            if (capacity - n < e->window) return (ptrdiff_t)n;
            count = long_step(e, rare_place(e, here, 0, narrow), narrow ? WINDOW : capacity - n);
            rare_done(e, here, 0, count, narrow);
        } else if (e->word < e->words) {
            count = encode_batch(e, here, capacity - n, narrow);
            if (count == 0 && e->long_at == e->long_end) return (ptrdiff_t)n;
        } else {
            if (!refill(e)) return (ptrdiff_t)n;
            continue;
        }
        if (count < 0) return -1;
        n += (size_t)count;
    }
}

ptrdiff_t apus_encoder_next(apus_encoder *e, uint32_t *ids, size_t capacity) { return next(e, ids, capacity, false); }

ptrdiff_t apus_encoder_next16(apus_encoder *e, uint16_t *ids, size_t capacity) { return next(e, ids, capacity, true); }
