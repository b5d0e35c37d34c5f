// SPDX-License-Identifier: MIT
// SHA-256 of many texts in lanes: whichever lane's text ends takes the next. A round waits for the one before it, so that one text
// leaves the CPU's SHA unit half idle: two texts in turn, as two lanes of one instruction stream, take little longer than one.
// Sixteen in the vectors of AVX-512 are faster still (sha256_sixteen.c).
#include "sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// A text on its way through a lane: first the blocks where they lie, then one or two of its end and the padding.
typedef struct {
    uint32_t state[8];
    const uint8_t *at;
    size_t blocks;       // to come at `at`
    size_t tail_blocks;  // to come after them; 0 once they are at `at`
    uint8_t tail[128];
    uint8_t *digest;
} lane;

static void begin(lane *l, const void *data, size_t length, uint8_t *digest) {
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(l->state, start, sizeof start);
    size_t rest = length & 63;
    l->at = data, l->blocks = length / 64, l->digest = digest;
    l->tail_blocks = rest < 56 ? 1 : 2;
    memset(l->tail, 0, sizeof l->tail);
    if (rest > 0) memcpy(l->tail, (const uint8_t *)data + (length - rest), rest);
    l->tail[rest] = 0x80;
    for (int i = 0; i < 8; i++) l->tail[64 * l->tail_blocks - 8 + (size_t)i] = (uint8_t)((uint64_t)length * 8 >> (56 - 8 * i));
}

/// Goes on to the tail when the blocks before it are done. False when there is nothing left.
static int has_blocks(lane *l) {
    if (l->blocks > 0) return 1;
    if (l->tail_blocks == 0) return 0;
    l->at = l->tail, l->blocks = l->tail_blocks, l->tail_blocks = 0;
    return 1;
}

static void end(const lane *l) {
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < 4; j++) l->digest[4 * i + j] = (uint8_t)(l->state[i] >> (24 - 8 * j));
    }
}

static void advance(lane *l, size_t blocks) { l->at += 64 * blocks, l->blocks -= blocks; }

#if defined(__x86_64__)
/// A lane's text goes on in another: its end lies in the lane itself.
static void move(lane *to, const lane *from) {
    *to = *from;
    if (from->tail_blocks == 0) to->at = to->tail + (from->at - from->tail);
}

/// What lanes take their texts from: first those that are under way, then those that nobody has begun.
typedef struct {
    const lane *begun;
    size_t begun_count;
    const void *const *data;
    const size_t *lengths;
    size_t next, count;
    uint8_t *digests;
} queue;

/// False when nothing is left.
static int take(queue *q, lane *l) {
    if (q->begun_count > 0) {
        move(l, &q->begun[--q->begun_count]);
        return 1;
    }
    if (q->next == q->count) return 0;
    begin(l, q->data[q->next], q->lengths[q->next], q->digests + 32 * q->next);
    q->next++;
    return has_blocks(l);  // always: the padding
}

/// The instructions keep the state as (a,b,e,f) and (c,d,g,h). Intel SDM, SHA256RNDS2.
typedef struct {
    __m128i abef, cdgh;
} state;

__attribute__((target("sha,sse4.1,ssse3"))) static inline state load(const uint32_t h[8]) {
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(h + 4)), 0x1b);
    return (state){_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xf0)};
}

__attribute__((target("sha,sse4.1,ssse3"))) static inline void store(uint32_t h[8], state s) {
    __m128i low = _mm_shuffle_epi32(s.abef, 0x1b), high = _mm_shuffle_epi32(s.cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)h, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((__m128i *)(h + 4), _mm_alignr_epi8(high, low, 8));
}

/// Four rounds of one lane; `w` holds the 16 words of the schedule that are known.
__attribute__((target("sha,sse4.1,ssse3"), always_inline)) static inline void four_rounds(state *s, __m128i w[4], int i) {
    __m128i now = w[i & 3];
    __m128i m = _mm_add_epi32(now, _mm_load_si128((const __m128i *)(apus_sha256_constants + 4 * i)));
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, m);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(m, 0x0e));
    if (i >= 12) return;
    __m128i next = w[(i + 1) & 3], after = w[(i + 2) & 3], last = w[(i + 3) & 3];
    __m128i t = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, after, 4));
    w[i & 3] = _mm_sha256msg2_epu32(t, last);
}

/// The same number of blocks in both lanes.
__attribute__((target("sha,sse4.1,ssse3"))) static void compress_two(lane *p, lane *q, size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    state a = load(p->state), b = load(q->state);
    for (size_t k = 0; k < blocks; k++) {
        const state a0 = a, b0 = b;
        __m128i v[4], w[4];
        for (int i = 0; i < 4; i++) {
            v[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p->at + 64 * k + 16 * (size_t)i)), swap);
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(q->at + 64 * k + 16 * (size_t)i)), swap);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            four_rounds(&a, v, i);
            four_rounds(&b, w, i);
        }
        a.abef = _mm_add_epi32(a.abef, a0.abef), a.cdgh = _mm_add_epi32(a.cdgh, a0.cdgh);
        b.abef = _mm_add_epi32(b.abef, b0.abef), b.cdgh = _mm_add_epi32(b.cdgh, b0.cdgh);
    }
    store(p->state, a);
    store(q->state, b);
    advance(p, blocks);
    advance(q, blocks);
}

static void many_in_two_lanes(queue *q) {
    lane lanes[2];
    int live[2] = {take(q, &lanes[0]), take(q, &lanes[1])};
    while (live[0] && live[1]) {
        compress_two(&lanes[0], &lanes[1], lanes[0].blocks < lanes[1].blocks ? lanes[0].blocks : lanes[1].blocks);
        for (int i = 0; i < 2; i++) {
            if (has_blocks(&lanes[i])) continue;
            end(&lanes[i]);
            live[i] = take(q, &lanes[i]);
        }
    }
    for (int i = 0; i < 2; i++) {
        if (!live[i]) continue;
        while (has_blocks(&lanes[i])) {
            apus_sha256_compress(lanes[i].state, lanes[i].at, lanes[i].blocks);
            advance(&lanes[i], lanes[i].blocks);
        }
        end(&lanes[i]);
    }
}

enum { SIXTEEN = 16, FEW = 8 };  // fewer texts than FEW are faster two at a time

/// Takes a text into lane i, and its state into column i.
static int take_column(queue *q, lane *l, uint32_t states[8][SIXTEEN], int i) {
    if (!take(q, l)) return 0;
    for (int j = 0; j < 8; j++) states[j][i] = l->state[j];
    return 1;
}

static void fetch_state(lane *l, uint32_t states[8][SIXTEEN], int i) {
    for (int j = 0; j < 8; j++) l->state[j] = states[j][i];
}

static void many_in_sixteen_lanes(queue *q) {
    lane lanes[SIXTEEN];
    uint32_t states[8][SIXTEEN] = {{0}};
    const uint8_t *at[SIXTEEN];
    int live[SIXTEEN], count = 0;
    for (int i = 0; i < SIXTEEN; i++) count += live[i] = take_column(q, &lanes[i], states, i);
    while (count >= FEW) {
        size_t blocks = SIZE_MAX;
        const uint8_t *any = NULL;
        for (int i = 0; i < SIXTEEN; i++) {
            if (live[i] && lanes[i].blocks < blocks) blocks = lanes[i].blocks, any = lanes[i].at;
        }
        // A lane without a text computes something that nobody reads.
        for (int i = 0; i < SIXTEEN; i++) at[i] = live[i] ? lanes[i].at : any;
        apus_sha256_compress_sixteen(states, at, blocks);
        for (int i = 0; i < SIXTEEN; i++) {
            if (!live[i]) continue;
            advance(&lanes[i], blocks);
            if (has_blocks(&lanes[i])) continue;
            fetch_state(&lanes[i], states, i);
            end(&lanes[i]);
            live[i] = take_column(q, &lanes[i], states, i);
            count -= !live[i];
        }
    }
    lane begun[FEW];
    size_t left = 0;
    for (int i = 0; i < SIXTEEN; i++) {
        if (!live[i]) continue;
        fetch_state(&lanes[i], states, i);
        move(&begun[left++], &lanes[i]);
    }
    q->begun = begun, q->begun_count = left;
    many_in_two_lanes(q);
}
#endif

int apus_sha256_many_using(apus_sha256_code code, const void *const *data, const size_t *lengths, size_t count, uint8_t *digests) {
    if (code != APUS_SHA256_PORTABLE) {
#if defined(__x86_64__)
        queue q = {.data = data, .lengths = lengths, .count = count, .digests = digests};
        if (!apus_sha256_has_extensions()) return -1;
        if (code == APUS_SHA256_TWO_LANES) {
            many_in_two_lanes(&q);
            return 0;
        }
        if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw")) return -1;
        many_in_sixteen_lanes(&q);
        return 0;
#else
        return -1;
#endif
    }
    for (size_t i = 0; i < count; i++) {
        lane l;
        begin(&l, data[i], lengths[i], digests + 32 * i);
        while (has_blocks(&l)) {
            apus_sha256_compress_portable(l.state, l.at, l.blocks);
            advance(&l, l.blocks);
        }
        end(&l);
    }
    return 0;
}

void apus_sha256_many(const void *const *data, const size_t *lengths, size_t count, uint8_t *digests) {
    if (apus_sha256_many_using(APUS_SHA256_SIXTEEN_LANES, data, lengths, count, digests) == 0) return;
    if (apus_sha256_many_using(APUS_SHA256_TWO_LANES, data, lengths, count, digests) == 0) return;
    apus_sha256_many_using(APUS_SHA256_PORTABLE, data, lengths, count, digests);
}
