// SPDX-License-Identifier: MIT
// Learning merges from counted words (Sennrich, Haddow, Birch 2016, arXiv:1508.07909) with counts kept up to date.
//
// Every pair has its count and the words it came in. A merge touches only those words: pairs that end there lose
// counts, and only pairs with the new token gain. So the count of an older pair never rises, and a heap whose entries
// are corrected when they come up gives the most frequent pair.
#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

/// A pair of neighbouring tokens; free while `known` is false.
typedef struct {
    uint32_t left, right;
    uint64_t count;
    uint32_t *words;  // words the pair came in, some of them out of date, some twice
    uint32_t used, room;
    bool known;
} pair_entry;

/// A pair as it stood when it was put on the heap; its count may have fallen since.
typedef struct {
    uint64_t count;
    uint32_t left, right;
} heap_entry;

typedef struct {
    // Word w is ids[starts[w]] and the `length[w] - 1` after it.
    uint32_t *ids, *lengths;
    size_t *starts;
    uint64_t *counts;
    size_t words;
    pair_entry *pairs;
    size_t pair_slots, pair_used;
    heap_entry *heap;
    size_t heap_used, heap_room;
    // Pairs that gained in the merge at work, to be put on the heap after it.
    heap_entry *fresh;
    size_t fresh_used, fresh_room;
} trainer;

static size_t pair_hash(uint32_t left, uint32_t right) {
    return mix(((uint64_t)left << 32 | right) ^ 0xA0761D6478BD642Fu, 0x9E3779B97F4A7C15u);
}

/// The pair's slot, or the free one where it belongs.
static pair_entry *find_pair(pair_entry *pairs, size_t slots, uint32_t left, uint32_t right) {
    for (size_t i = pair_hash(left, right) & (slots - 1);; i = (i + 1) & (slots - 1)) {
        pair_entry *p = &pairs[i];
        if (!p->known || (p->left == left && p->right == right)) return p;
    }
}

/// Keeps the table of pairs at most half full, leaving out pairs that came to nothing.
static int grow_pairs(trainer *t) {
    if (2 * (t->pair_used + 1) <= t->pair_slots) return 0;
    size_t alive = 0;
    for (size_t i = 0; i < t->pair_slots; i++) alive += t->pairs[i].known && t->pairs[i].count > 0;
    size_t slots = t->pair_slots;
    while (4 * alive > slots) slots *= 2;
    pair_entry *pairs = calloc(slots, sizeof *pairs);
    if (!pairs) return -1;
    for (size_t i = 0; i < t->pair_slots; i++) {
        pair_entry *p = &t->pairs[i];
        if (!p->known) continue;
        if (p->count == 0) {
            free(p->words);
        } else {
            *find_pair(pairs, slots, p->left, p->right) = *p;
        }
    }
    free(t->pairs);
    t->pairs = pairs, t->pair_slots = slots, t->pair_used = alive;
    return 0;
}

static int add_fresh(trainer *t, uint32_t left, uint32_t right) {
    if (t->fresh_used == t->fresh_room) {
        size_t room = t->fresh_room ? 2 * t->fresh_room : 1024;
        heap_entry *fresh = realloc(t->fresh, room * sizeof *fresh);
        if (!fresh) return -1;
        t->fresh = fresh, t->fresh_room = room;
    }
    t->fresh[t->fresh_used++] = (heap_entry){0, left, right};
    return 0;
}

/// Counts a pair in a word; a pair that was not known is noted as fresh.
static int gain(trainer *t, uint32_t left, uint32_t right, uint32_t word) {
    pair_entry *p = find_pair(t->pairs, t->pair_slots, left, right);
    if (!p->known) {
        if (grow_pairs(t) != 0) return -1;
        p = find_pair(t->pairs, t->pair_slots, left, right);
        *p = (pair_entry){.left = left, .right = right, .known = true};
        t->pair_used++;
        if (add_fresh(t, left, right) != 0) return -1;
    }
    p->count += t->counts[word];
    if (p->used > 0 && p->words[p->used - 1] == word) return 0;
    if (p->used == p->room) {
        uint32_t room = p->room ? 2 * p->room : 4;
        uint32_t *words = realloc(p->words, room * sizeof *words);
        if (!words) return -1;
        p->words = words, p->room = room;
    }
    p->words[p->used++] = word;
    return 0;
}

/// Takes a word's count from a pair. The word stays in the pair's list: looking at it in vain does no harm.
static void lose(trainer *t, uint32_t left, uint32_t right, uint32_t word) {
    pair_entry *p = find_pair(t->pairs, t->pair_slots, left, right);
    if (p->known) p->count -= t->counts[word];
}

/// Whether `a` comes before `b`: more often, then the lower left id, then the lower right id.
static bool before(heap_entry a, heap_entry b) {
    if (a.count != b.count) return a.count > b.count;
    return a.left != b.left ? a.left < b.left : a.right < b.right;
}

static int heap_push(trainer *t, heap_entry entry) {
    if (t->heap_used == t->heap_room) {
        size_t room = t->heap_room ? 2 * t->heap_room : 4096;
        heap_entry *heap = realloc(t->heap, room * sizeof *heap);
        if (!heap) return -1;
        t->heap = heap, t->heap_room = room;
    }
    size_t at = t->heap_used++;
    for (; at > 0 && before(entry, t->heap[(at - 1) / 2]); at = (at - 1) / 2) t->heap[at] = t->heap[(at - 1) / 2];
    t->heap[at] = entry;
    return 0;
}

static heap_entry heap_pop(trainer *t) {
    heap_entry top = t->heap[0], last = t->heap[--t->heap_used];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < t->heap_used; at = child) {
        if (child + 1 < t->heap_used && before(t->heap[child + 1], t->heap[child])) child++;
        if (!before(t->heap[child], last)) break;
        t->heap[at] = t->heap[child];
    }
    if (t->heap_used > 0) t->heap[at] = last;
    return top;
}

/// Puts the fresh pairs on the heap with the counts they have now.
static int push_fresh(trainer *t, uint64_t minimum) {
    for (size_t i = 0; i < t->fresh_used; i++) {
        heap_entry e = t->fresh[i];
        e.count = find_pair(t->pairs, t->pair_slots, e.left, e.right)->count;
        if (e.count >= minimum && e.count > 0 && heap_push(t, e) != 0) return -1;
    }
    t->fresh_used = 0;
    return 0;
}

/// Replaces the pair in one word, left to right, and moves the counts of the neighbouring pairs.
static int merge_in_word(trainer *t, uint32_t word, uint32_t left, uint32_t right, uint32_t made) {
    uint32_t *ids = t->ids + t->starts[word], n = t->lengths[word], out = 0;
    for (uint32_t i = 0; i < n;) {
        if (i + 1 >= n || ids[i] != left || ids[i + 1] != right) {
            ids[out++] = ids[i++];
            continue;
        }
        // `ids[out - 1]` may be `made` itself: then the pair (made, left), gained a moment ago, is lost again.
        if (out > 0) {
            lose(t, ids[out - 1], left, word);
            if (gain(t, ids[out - 1], made, word) != 0) return -1;
        }
        if (i + 2 < n) {
            lose(t, right, ids[i + 2], word);
            if (gain(t, made, ids[i + 2], word) != 0) return -1;
        }
        ids[out++] = made;
        i += 2;
    }
    t->lengths[word] = out;
    return 0;
}

/// Makes one merge in all words where the pair came.
static int merge_pair(trainer *t, uint32_t left, uint32_t right, uint32_t made) {
    pair_entry *p = find_pair(t->pairs, t->pair_slots, left, right);
    // Merging may move the table: take the list of words out of it first.
    uint32_t *words = p->words, used = p->used;
    p->words = NULL, p->used = p->room = 0;
    int status = 0;
    for (uint32_t i = 0; i < used && status == 0; i++) status = merge_in_word(t, words[i], left, right, made);
    free(words);
    p = find_pair(t->pairs, t->pair_slots, left, right);
    if (p->known) p->count = 0;
    return status;
}

/// Lays the words out as ids and counts their pairs.
static int load(trainer *t, const apus_counter *c, const uint32_t byte_ids[256]) {
    size_t total = 0, length;
    uint64_t count;
    t->words = apus_counter_words(c);
    for (size_t w = 0; w < t->words; w++) apus_counter_word(c, w, &length, &count), total += length;
    t->ids = malloc((total + 1) * sizeof *t->ids);
    t->lengths = malloc((t->words + 1) * sizeof *t->lengths);
    t->starts = malloc((t->words + 1) * sizeof *t->starts);
    t->counts = malloc((t->words + 1) * sizeof *t->counts);
    t->pair_slots = 4096;
    t->pairs = calloc(t->pair_slots, sizeof *t->pairs);
    if (!t->ids || !t->lengths || !t->starts || !t->counts || !t->pairs) return -1;
    size_t at = 0;
    for (size_t w = 0; w < t->words; w++) {
        const uint8_t *bytes = apus_counter_word(c, w, &length, &t->counts[w]);
        t->starts[w] = at, t->lengths[w] = (uint32_t)length;
        for (size_t i = 0; i < length; i++) {
            t->ids[at++] = byte_ids[bytes[i]];
            if (i > 0 && gain(t, t->ids[at - 2], t->ids[at - 1], (uint32_t)w) != 0) return -1;
        }
    }
    return 0;
}

/// Merges the most frequent pair until there are enough merges or none is frequent enough.
static ptrdiff_t learn(trainer *t, size_t merges, uint64_t minimum, uint32_t *pairs,
                       bool (*progress)(void *context, size_t merges_done), void *context) {
    size_t done = 0;
    if (push_fresh(t, minimum) != 0) return -1;
    while (done < merges && t->heap_used > 0) {
        heap_entry best = heap_pop(t);
        pair_entry *p = find_pair(t->pairs, t->pair_slots, best.left, best.right);
        uint64_t now = p->known ? p->count : 0;
        // Out of date: back on the heap with today's count, or dropped when it is too rare by now.
        if (now != best.count) {
            best.count = now;
            if (now >= minimum && now > 0 && heap_push(t, best) != 0) return -1;
            continue;
        }
        pairs[2 * done] = best.left, pairs[2 * done + 1] = best.right;
        if (merge_pair(t, best.left, best.right, (uint32_t)(256 + done)) != 0) return -1;
        done++;
        if (push_fresh(t, minimum) != 0) return -1;
        if (progress && !progress(context, done)) break;
    }
    return (ptrdiff_t)done;
}

ptrdiff_t apus_bpe_train(const apus_counter *c, const uint32_t byte_ids[256], size_t merges, uint64_t minimum, uint32_t *pairs,
                         bool (*progress)(void *context, size_t merges_done), void *context) {
    trainer t = {0};
    ptrdiff_t done = load(&t, c, byte_ids) == 0 ? learn(&t, merges, minimum, pairs, progress, context) : -1;
    if (t.pairs) {
        for (size_t i = 0; i < t.pair_slots; i++) free(t.pairs[i].words);
    }
    free(t.pairs);
    free(t.ids);
    free(t.lengths);
    free(t.starts);
    free(t.counts);
    free(t.heap);
    free(t.fresh);
    return done;
}
