// SPDX-License-Identifier: MIT
// What one thread's scratch memory holds while attention runs by tiles.
#ifndef APUS_ATTENTION_SCRATCH_H
#define APUS_ATTENTION_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "apus_attention.h"

enum { TILE = 64 };                      // queries and keys of a tile: dropout's bits of one query are one word
enum { LARGEST_TILED_HEAD = 1024 };      // larger heads take the rows' path
enum { SCRATCH_BYTES = 4 << 20 };
// A masked score, and a maximum before the first: finite, so that differences are numbers.
static const float LOWEST = -1e30f;
static const float LOG2_E = 1.44269504f;

/// Floats of a row in a tile: whole vectors of any width.
static inline long apus_padded(long head_size) { return (head_size + 15) / 16 * 16; }

typedef struct {
    float *q;       // [size][TILE]
    float *k, *v;   // [TILE][padded]
    float *p;       // [key][query]
    float *out;     // [TILE][padded]
    float *max, *sum, *shrink;  // [TILE]
    uint32_t *keep;             // [2][TILE]
} forward_scratch_t;

/// Memory that is taken piece by piece. Without a base there is nothing to take, and `used` tells what it would need.
typedef struct {
    char *base;
    long used;
} pieces_t;

static inline float *apus_take(pieces_t *memory, long floats) {
    float *taken = memory->base != NULL ? (float *)(memory->base + memory->used) : NULL;
    memory->used += (floats * 4 + 63) / 64 * 64;
    return taken;
}

static inline forward_scratch_t apus_take_forward(pieces_t *memory, long head_size) {
    const long tile = TILE * apus_padded(head_size);
    forward_scratch_t s;
    s.q = apus_take(memory, tile);
    s.k = apus_take(memory, tile);
    s.v = apus_take(memory, tile);
    s.p = apus_take(memory, TILE * TILE);
    s.out = apus_take(memory, tile);
    s.max = apus_take(memory, TILE);
    s.sum = apus_take(memory, TILE);
    s.shrink = apus_take(memory, TILE);
    s.keep = (uint32_t *)apus_take(memory, 2 * TILE);
    return s;
}

static inline forward_scratch_t apus_forward_scratch(char *scratch, long head_size) {
    pieces_t memory = {.base = scratch};
    return apus_take_forward(&memory, head_size);
}

/// A head's keys and values as rows [key_length rounded up to TILE][padded]: read many times, so better side by side than a token
/// apart, where a tile's rows meet in few of the first cache's sets.
typedef struct {
    float *k, *v;
} head_rows_t;

/// A tile's [TILE][padded].
typedef struct {
    const float *k, *v;
} tile_rows_t;

static inline long apus_head_floats(const apus_attention_t *shape) {
    return (shape->key_length + TILE - 1) / TILE * TILE * apus_padded(shape->head_size);
}

static inline head_rows_t apus_head_rows(pieces_t *memory, const apus_attention_t *shape) {
    const long floats = apus_head_floats(shape);
    head_rows_t rows;
    rows.k = apus_take(memory, floats);
    rows.v = apus_take(memory, floats);
    return rows;
}

/// Whether a head's keys and values fit into the scratch memory beside a forward's tiles.
static inline int apus_head_fits(const apus_attention_t *shape) {
    pieces_t counted = {.base = NULL};
    apus_head_rows(&counted, shape);
    apus_take_forward(&counted, shape->head_size);
    return counted.used <= SCRATCH_BYTES;
}

typedef struct {
    float *q, *dout;                  // [TILE][padded]
    float *q_columns, *dout_columns;  // [size][TILE]
    float *k, *v;                     // [TILE][padded]
    float *p, *ds;                    // [key][query]
    float *dq, *dk, *dv;              // [TILE][padded]
    float *d, *lse;                   // [TILE]
    uint32_t *keep;                   // [2][TILE]
    uint32_t *words;                  // 2 [TILE][TILE]: weights as pairs of bfloat16
} backward_scratch_t;

static inline backward_scratch_t apus_backward_scratch(char *scratch, long head_size) {
    pieces_t memory = {.base = scratch};
    const long tile = TILE * apus_padded(head_size);
    backward_scratch_t s;
    float **tiles[] = {&s.q, &s.dout, &s.q_columns, &s.dout_columns, &s.k, &s.v, &s.dq, &s.dk, &s.dv};
    for (unsigned i = 0; i < sizeof tiles / sizeof *tiles; i++) *tiles[i] = apus_take(&memory, tile);
    s.p = apus_take(&memory, TILE * TILE);
    s.ds = apus_take(&memory, TILE * TILE);
    s.d = apus_take(&memory, TILE);
    s.lse = apus_take(&memory, TILE);
    s.keep = (uint32_t *)apus_take(&memory, 2 * TILE);
    s.words = (uint32_t *)apus_take(&memory, 2 * TILE * TILE);
    return s;
}

// Nine tiles of rows and four of weights must fit, for the largest head too.
_Static_assert((9L * LARGEST_TILED_HEAD * TILE + 4L * TILE * TILE + 16L * LARGEST_TILED_HEAD) * 4 < SCRATCH_BYTES, "scratch");

#endif
