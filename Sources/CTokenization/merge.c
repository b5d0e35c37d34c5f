// SPDX-License-Identifier: MIT
// Merging the bytes of one word: again and again the pair of neighbours with the lowest rank, of equal ranks the
// leftmost, becomes one token, until no pair has a merge.
#include <stdlib.h>
#include <string.h>

#include "vocabulary.h"

/// Up to this many bytes looking at every pair again is faster than a heap.
#define SHORT_WORD 96

static inline uint32_t rank_of(const apus_bpe *b, uint32_t left, uint32_t right) { return merge_of(b, left, right).rank; }

/// For short words: n pairs are searched for each of at most n merges.
static size_t merge_short(const apus_bpe *b, const uint8_t *word, size_t n, uint32_t *ids) {
    uint32_t rank[SHORT_WORD], id[SHORT_WORD];
    for (size_t i = 0; i < n; i++) id[i] = b->byte_ids[word[i]];
    for (size_t i = 0; i + 1 < n; i++) rank[i] = rank_of(b, id[i], id[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++) {
            if (rank[i] < rank[best]) best = i;
        }
        if (rank[best] == NO_RANK) break;
        id[best] = merge_of(b, id[best], id[best + 1]).result;
        n--;
        memmove(id + best + 1, id + best + 2, (n - best - 1) * sizeof *id);
        if (best + 1 < n) {
            memmove(rank + best + 1, rank + best + 2, (n - best - 2) * sizeof *rank);
            rank[best] = rank_of(b, id[best], id[best + 1]);
        }
        if (best > 0) rank[best - 1] = rank_of(b, id[best - 1], id[best]);
    }
    memcpy(ids, id, n * sizeof *ids);
    return n;
}

void apus_merger_free(apus_merger *m) {
    free(m->id);
    free(m->next);
    free(m->previous);
    free(m->rank);
    free(m->heap);
    *m = (apus_merger){0};
}

/// Room for a word of n bytes.
static int reserve(apus_merger *m, size_t n) {
    if (n <= m->capacity) return 0;
    if (n >= UINT32_MAX) return -1;
    apus_merger_free(m);
    m->id = malloc(n * sizeof *m->id);
    m->next = malloc(n * sizeof *m->next);
    m->previous = malloc(n * sizeof *m->previous);
    m->rank = malloc(n * sizeof *m->rank);
    // n - 1 pairs at first; a merge takes one entry out and puts at most two in: never more than 2n.
    m->heap = malloc(2 * n * sizeof *m->heap);
    if (!m->id || !m->next || !m->previous || !m->rank || !m->heap) {
        apus_merger_free(m);
        return -1;
    }
    m->capacity = n;
    return 0;
}

/// Restores the heap below a place whose value has grown.
static void sift_down(uint64_t *heap, size_t n, size_t at) {
    uint64_t value = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= value) break;
        heap[at] = heap[child];
    }
    heap[at] = value;
}

static void push(uint64_t *heap, size_t *n, uint64_t value) {
    size_t at = (*n)++;
    for (; at > 0 && heap[(at - 1) / 2] > value; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = value;
}

/// Puts the pair that begins at `i` on the heap, or notes that it has no merge.
static inline void offer(const apus_bpe *b, apus_merger *m, size_t *heap_count, uint32_t i, uint32_t n) {
    m->rank[i] = m->next[i] < n ? rank_of(b, m->id[i], m->id[m->next[i]]) : NO_RANK;
    if (m->rank[i] != NO_RANK) push(m->heap, heap_count, (uint64_t)m->rank[i] << 32 | i);
}

/// For long words: a linked list of tokens and a heap of (rank, position); O(n log n).
/// A heap entry whose rank is no longer its position's is out of date and is passed over.
static void merge_long(const apus_bpe *b, apus_merger *m, const uint8_t *word, uint32_t n) {
    size_t heap_count = 0;
    for (uint32_t i = 0; i < n; i++) {
        m->id[i] = b->byte_ids[word[i]];
        m->next[i] = i + 1;
        m->previous[i] = i - 1;  // wraps around at 0, and is not used there
    }
    for (uint32_t i = 0; i < n; i++) {
        m->rank[i] = i + 1 < n ? rank_of(b, m->id[i], m->id[i + 1]) : NO_RANK;
        if (m->rank[i] != NO_RANK) m->heap[heap_count++] = (uint64_t)m->rank[i] << 32 | i;
    }
    for (size_t i = heap_count / 2; i-- > 0;) sift_down(m->heap, heap_count, i);
    while (heap_count > 0) {
        uint64_t top = m->heap[0];
        m->heap[0] = m->heap[--heap_count];
        if (heap_count > 0) sift_down(m->heap, heap_count, 0);
        uint32_t i = (uint32_t)top;
        if (m->rank[i] != top >> 32) continue;
        uint32_t gone = m->next[i];
        m->id[i] = merge_of(b, m->id[i], m->id[gone]).result;
        m->next[i] = m->next[gone];
        m->rank[gone] = NO_RANK;
        if (m->next[i] < n) m->previous[m->next[i]] = i;
        offer(b, m, &heap_count, i, n);
        if (i > 0) offer(b, m, &heap_count, m->previous[i], n);
    }
}

ptrdiff_t apus_merge_bytes(const apus_bpe *b, apus_merger *m, const uint8_t *word, size_t length, uint32_t *ids) {
    if (length <= SHORT_WORD) return length == 0 ? 0 : (ptrdiff_t)merge_short(b, word, length, ids);
    if (reserve(m, length) != 0) return -1;
    merge_long(b, m, word, (uint32_t)length);
    size_t count = 0;
    for (size_t i = 0; i < length; i = m->next[i]) ids[count++] = m->id[i];
    return (ptrdiff_t)count;
}

ptrdiff_t apus_bpe_merge_word(const apus_bpe *b, const uint8_t *word, size_t length, uint32_t *ids) {
    apus_merger m = {0};
    ptrdiff_t count = apus_merge_bytes(b, &m, word, length, ids);
    apus_merger_free(&m);
    return count;
}

int apus_stays_apart(const apus_bpe *b, apus_merger *m, uint32_t left, uint32_t right, bool *apart) {
    size_t n, k;
    const uint8_t *first = apus_bpe_bytes(b, left, &n), *second = apus_bpe_bytes(b, right, &k);
    uint8_t *word = malloc(n + k + 1);
    uint32_t *ids = malloc((n + k + 1) * sizeof *ids);
    int status = -1;
    if (word && ids) {
        memcpy(word, first, n);
        memcpy(word + n, second, k);
        ptrdiff_t count = apus_merge_bytes(b, m, word, n + k, ids);
        *apart = count == 2 && ids[0] == left && ids[1] == right;
        status = count < 0 ? -1 : 0;
    }
    free(word);
    free(ids);
    return status;
}
