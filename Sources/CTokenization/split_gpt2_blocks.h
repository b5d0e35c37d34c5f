// SPDX-License-Identifier: MIT
// The part of split_gpt2.c that is compiled for each set of instructions: CLASSIFY gives the masks of 64 bytes, LIST_BITS
// the numbers of a mask's bits, NAME the functions their names, TARGET their instructions.

/// The starts of words among the next 64 bytes (or those left), one bit each.
TARGET static inline uint64_t NAME(block_starts)(apus_splitter *s) {
    size_t left = s->length - s->at;
    const uint8_t *p = s->text + s->at;
    uint8_t padded[64];
    uint64_t valid = ~0ull;
    if (left < 64) {
        // Blanks behind the end say what the pattern says there: no character that is not white space follows.
        memset(padded, ' ', 64);
        memcpy(padded, p, left);
        p = padded, valid = (1ull << left) - 1;
    }
    block_masks m = CLASSIFY(p);
    uint64_t class[4] = {0, m.letter, m.number, m.space}, continuation = 0, last_space = 0;
    uint64_t before_solid = ~m.space >> 1;  // bit i: byte i + 1 is not white space
    if (__builtin_expect((m.high | s->tail_continuation) != 0, 0)) {
        for (int k = 0; k < 4; k++) class[k] |= s->tail_class[k], s->tail_class[k] = 0;
        s->tail_continuation = 0;
        continuation = m.high & ~m.lead;
        last_space = classify_wide(s, m.lead & valid, class);
        before_solid = ~class[CLASS_SPACE] >> 1;
    }
    class[CLASS_OTHER] = ~(class[CLASS_LETTER] | class[CLASS_NUMBER] | class[CLASS_SPACE]);
    if (m.space >> 63 && solid_at(s, s->at + 64)) before_solid |= 1ull << 63;
    uint64_t same = 0;
    for (int k = 0; k < 4; k++) {
        same |= class[k] & (class[k] << 1 | s->last_class[k]);
        s->last_class[k] = class[k] >> 63;
    }
    uint64_t change = ~same & ~continuation;
    uint64_t after_blank = m.blank << 1 | s->last_blank;
    s->last_blank = m.blank >> 63;
    uint64_t starts = (change & ~class[CLASS_SPACE] & ~after_blank) | (change & class[CLASS_SPACE]) | (m.space & before_solid);
    starts = ((starts | last_space) & ~s->pending_clear) | s->pending_set;
    s->pending_clear = s->pending_set = 0;
    starts &= valid;
    for (uint64_t quotes = m.apostrophe & starts; quotes; quotes &= quotes - 1) {
        int i = __builtin_ctzll(quotes);
        size_t bytes = contraction(s->text + s->at + i, left - (size_t)i);
        if (bytes == 0) continue;
        // The letters after the apostrophe begin no word; what follows them does.
        unsigned __int128 inner = (unsigned __int128)1 << (i + 1), after = (unsigned __int128)1 << (i + (int)bytes);
        starts = (starts & ~(uint64_t)inner) | (uint64_t)after;
        s->pending_clear = (uint64_t)(inner >> 64), s->pending_set = (uint64_t)(after >> 64);
    }
    return starts & valid;
}

TARGET static size_t NAME(split)(apus_splitter *s, size_t *starts, size_t capacity) {
    size_t n = 0;
    while (s->at < s->length && n + 64 <= capacity) {
        n += LIST_BITS(starts + n, s->at, NAME(block_starts)(s));
        s->at = s->length - s->at < 64 ? s->length : s->at + 64;
    }
    if (s->at >= s->length && n < capacity) {
        starts[n++] = s->length;
        s->done = true;
    }
    return n;
}

#undef CLASSIFY
#undef LIST_BITS
#undef NAME
#undef TARGET
