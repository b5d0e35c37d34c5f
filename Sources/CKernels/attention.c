// SPDX-License-Identifier: MIT
#include "attention.h"

#include <math.h>
#include <stdatomic.h>

#include "attention_bf16.h"
#include "attention_portable.h"
#include "attention_scratch.h"
#include "simd.h"

#define APUS_TEMPLATE "attention_simd.h"
#include "simd_each.h"

enum { LINE = 64 };
enum { FEW_QUERIES = 8 };  // up to here lanes of queries would mostly be empty

static size_t round_up(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

size_t apus_attention_scratch(void) { return SCRATCH_BYTES; }

typedef void (*item_t)(const void *run, head_t head, long part, char *scratch, float *workspace);

/// Independent items of work, taken by whichever thread is free: each writes results of its own, and none depends on who
/// computes it.
typedef struct {
    attention_args_t args;
    char *scratch;
    char *workspace;
    item_t item;
    long parts;  // items of a head
    size_t workspace_bytes;  // of a thread
    atomic_long next;
} run_t;

static void task(void *context, int thread, int threads) {
    (void)threads;
    run_t *run = context;
    const apus_attention_t *shape = &run->args.shape;
    const long items = shape->batch * shape->heads * run->parts;
    char *scratch = run->scratch + (size_t)thread * SCRATCH_BYTES;
    float *workspace = run->workspace != NULL ? (float *)(run->workspace + (size_t)thread * run->workspace_bytes) : NULL;
    for (;;) {
        const long item = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
        if (item >= items) return;
        const long head = item / run->parts;
        run->item(run, (head_t){head / shape->heads, head % shape->heads}, item % run->parts, scratch, workspace);
    }
}

static void run_items(apus_pool_t *pool, run_t *run, item_t item, long parts) {
    run->item = item;
    run->parts = parts;
    atomic_store_explicit(&run->next, 0, memory_order_relaxed);
    const apus_attention_t *shape = &run->args.shape;
    const double scores = (double)shape->batch * shape->heads * shape->query_length * shape->key_length;
    apus_pool_run_short(pool, task, run, scores * shape->head_size / 16);
}

static long tiles(long length) { return (length + TILE - 1) / TILE; }

/// Whether the plain C rows do the work: they are the reference, and take heads of any size.
static int by_rows(apus_isa_t isa, const apus_attention_t *shape) {
    return isa == APUS_ISA_PORTABLE || shape->head_size > LARGEST_TILED_HEAD;
}

#if defined(__x86_64__)
/// Whether BF16's own version does the work (`attention_bf16.c`).
static int by_words(apus_isa_t isa, const apus_attention_t *shape) {
    return isa >= APUS_ISA_AVX512_BF16 && shape->dtype == APUS_BF16;
}

/// One of a function's three vector versions.
#define SELECT_TILED(args, name)                                                    \
    (by_words((args)->isa, &(args)->shape) ? apus_attention_bf16_##name             \
     : (args)->isa >= APUS_ISA_AVX512      ? name##_avx512 : name##_avx2)

/// Whether threads that take whole heads are at work for at least `part` of `whole` of the time.
static int heads_fill(const apus_attention_t *shape, int threads, long part, long whole) {
    const long heads = shape->batch * shape->heads, rounds = (heads + threads - 1) / threads;
    return heads * whole >= rounds * threads * part;
}
#endif

// MARK: Forward

static void forward_row_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)workspace;
    forward_row(&((const run_t *)context)->args, head, part, (float *)scratch);
}

#if defined(__x86_64__)
static void forward_decode_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)workspace;
    const attention_args_t *args = &((const run_t *)context)->args;
    (args->isa >= APUS_ISA_AVX512 ? forward_row_avx512 : forward_row_avx2)(args, head, part, scratch);
}

static void forward_tile_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)workspace;
    const attention_args_t *args = &((const run_t *)context)->args;
    // The last tile sees the most keys: it comes first, so that threads end together.
    const long t = (tiles(args->shape.query_length) - 1 - part) * TILE;
    SELECT_TILED(args, forward_tile)(args, head, t, scratch);
}

static void forward_head_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)part, (void)workspace;
    const attention_args_t *args = &((const run_t *)context)->args;
    (args->isa >= APUS_ISA_AVX512 ? forward_head_avx512 : forward_head_avx2)(args, head, scratch);
}
#endif

void apus_attention_forward(
    apus_pool_t *pool, apus_isa_t isa, const apus_attention_t *attention, apus_heads_t out, float *lse, apus_heads_t q,
    apus_heads_t k, apus_heads_t v, void *scratch) {
    run_t run = {.args = {.shape = *attention, .isa = isa, .q = q, .k = k, .v = v, .out = out, .lse = lse}, .scratch = scratch};
    const long queries = attention->query_length;
#if defined(__x86_64__)
    if (!by_rows(isa, attention)) {
        if (queries <= FEW_QUERIES) {
            run_items(pool, &run, forward_decode_item, queries);
        } else if (!by_words(isa, attention) && apus_head_fits(attention) &&
                   heads_fill(attention, apus_pool_threads(pool), 9, 10)) {
            run_items(pool, &run, forward_head_item, 1);
        } else {
            run_items(pool, &run, forward_tile_item, tiles(queries));
        }
        return;
    }
#endif
    run_items(pool, &run, forward_row_item, queries);
}

// MARK: Backward

static size_t head_workspace(const apus_attention_t *shape) {
    return round_up(sizeof(float) * 4 * (size_t)apus_head_floats(shape));
}

size_t apus_attention_backward_workspace(const apus_attention_t *attention, int threads) {
    return head_workspace(attention) * (size_t)threads;
}

static void backward_rows_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)part;
    backward_head_portable(&((const run_t *)context)->args, head, scratch, workspace);
}

#if defined(__x86_64__)
static void backward_head_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)part;
    const attention_args_t *args = &((const run_t *)context)->args;
    SELECT_TILED(args, backward_head)(args, head, scratch, workspace);
}

static void backward_queries_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)workspace;
    const attention_args_t *args = &((const run_t *)context)->args;
    const long t = (tiles(args->shape.query_length) - 1 - part) * TILE;
    SELECT_TILED(args, backward_queries)(args, head, t, scratch, NULL, NULL, NULL);
}

static void backward_keys_item(const void *context, head_t head, long part, char *scratch, float *workspace) {
    (void)workspace;
    const attention_args_t *args = &((const run_t *)context)->args;
    SELECT_TILED(args, backward_keys)(args, head, part * TILE, scratch);
}
#endif

void apus_attention_backward(
    apus_pool_t *pool, apus_isa_t isa, const apus_attention_t *attention, apus_heads_t dq, apus_heads_t dk, apus_heads_t dv,
    apus_heads_t dout, apus_heads_t out, const float *lse, apus_heads_t q, apus_heads_t k, apus_heads_t v, void *scratch,
    void *workspace) {
    run_t run = {.scratch = scratch, .workspace = workspace, .workspace_bytes = head_workspace(attention)};
    run.args = (attention_args_t){
        .shape = *attention, .isa = isa, .q = q, .k = k, .v = v, .out = out, .dout = dout, .dq = dq, .dk = dk, .dv = dv,
        .lse = (float *)lse};
#if defined(__x86_64__)
    if (!by_rows(isa, attention)) {
        // By tiles of queries and then by tiles of keys, scores are computed twice: 7 products in place of 5.
        if (heads_fill(attention, apus_pool_threads(pool), 5, 7)) {
            run_items(pool, &run, backward_head_item, 1);
        } else {
            run_items(pool, &run, backward_queries_item, tiles(attention->query_length));
            run_items(pool, &run, backward_keys_item, tiles(attention->key_length));
        }
        return;
    }
#endif
    run_items(pool, &run, backward_rows_item, 1);
}
