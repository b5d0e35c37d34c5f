// SPDX-License-Identifier: MIT
// Runs the thread pool and every kernel that runs on it, for a build with the thread sanitizer (scripts/sanitize thread), on
// more threads than the machine may have cores. Each kernel runs twice and must give the same bits both times.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus_affinity.h"
#include "apus_attention.h"
#include "apus_classifier.h"
#include "apus_matmul.h"
#include "apus_ops.h"
#include "apus_optimizer.h"

enum { THREADS = 5, ROWS = 67, WIDTH = 96, INNER = 160, VOCABULARY = 331, HEADS = 3, TOKENS = 33, BATCH = 2, SPACE = 1 << 18 };

static float *memory(void) {
    float *space = aligned_alloc(64, SPACE * sizeof(float));
    if (!space) abort();
    return space;
}

static uint32_t noise = 1;

// Small numbers; as bfloat16 the upper halves of them.
static void *values(apus_dtype_t dtype) {
    float *space = memory();
    for (long i = 0; i < SPACE; i++) {
        noise = noise * 1664525u + 1013904223u;
        space[i] = (float)((int32_t)(noise >> 16) % 1000) / 2000.0f;
    }
    if (dtype == APUS_F32) return space;
    uint16_t *halves = (uint16_t *)space;
    for (long i = 0; i < SPACE; i++) {
        uint32_t bits;
        memcpy(&bits, &space[i], 4);
        halves[i] = (uint16_t)(bits >> 16);
    }
    return halves;
}

// What one turn of all kernels leaves behind: a hash of every output.
static uint64_t turn(apus_pool_t *pool, apus_isa_t isa, apus_dtype_t dtype) {
    noise = 1;
    void *x = values(dtype), *weight = values(dtype), *dout = values(dtype), *wide = values(dtype);
    float *a = values(APUS_F32), *b = values(APUS_F32), *c = memory(), *d = memory(), *e = memory(), *f = memory();
    int32_t tokens[ROWS], positions[ROWS];
    for (int i = 0; i < ROWS; i++) {
        tokens[i] = i * 7 % VOCABULARY;
        positions[i] = i % TOKENS;
    }
    for (float **p = (float *[]){c, d, e, f, NULL}; *p; p++) memset(*p, 0, SPACE * sizeof(float));
    void *workspace = aligned_alloc(64, (apus_matmul_workspace(THREADS) + 63) / 64 * 64), *more = aligned_alloc(64, 64 << 20);
    uint64_t hash = 1469598103934665603u;
#define SEE(space)                                                                                                         \
    for (long i = 0; i < SPACE; i++) {                                                                                     \
        uint32_t bits;                                                                                                     \
        memcpy(&bits, (float *)(space) + i, 4);                                                                            \
        hash = (hash ^ bits) * 1099511628211u;                                                                             \
    }
    for (int activation = 0; activation < 3; activation++) {
        apus_epilogue_t epilogue = {activation, activation ? d : NULL, NULL};
        apus_matmul_forward(pool, isa, workspace, c, dtype, x, weight, dtype, a, epilogue, ROWS, INNER, WIDTH);
        apus_matmul_backward_input(
            pool, isa, workspace, e, dtype, dout, weight, dtype, activation, activation ? wide : NULL, ROWS, INNER, WIDTH);
        SEE(c) SEE(e)
    }
    apus_matmul_backward_weight(pool, isa, workspace, c, f, dout, x, dtype, ROWS, INNER, WIDTH);
    SEE(c) SEE(f)
    apus_layernorm_forward(pool, isa, c, dtype, d, e, a, b, b, ROWS, WIDTH);
    SEE(c)
    apus_layernorm_backward(pool, isa, f, a, b, dout, dtype, a, b, d, e, ROWS, WIDTH, more);
    SEE(f) SEE(a)
    apus_embedding_forward(pool, isa, c, tokens, positions, a, b, ROWS, WIDTH);
    apus_embedding_backward(pool, isa, d, e, c, tokens, positions, ROWS, WIDTH);
    SEE(c) SEE(d) SEE(e)
    apus_dropout_t dropout = {7, 3, 1u << 30, 1.25f, 11};
    for (int activation = 1; activation < 3; activation++) {
        apus_activation_forward(pool, isa, c, x, dtype, activation, 9000);
        apus_activation_backward(pool, isa, d, dout, x, dtype, activation, 9000);
        SEE(c) SEE(d)
    }
    apus_dropout(pool, isa, c, dtype, 9000, 3000, dropout);
    apus_residual_add(pool, isa, d, a, x, dtype, 9000);
    apus_convert(pool, isa, e, dtype, a, APUS_F32, 9000);
    apus_copy(pool, isa, f, e, 9000 * 2);
    SEE(c) SEE(d) SEE(e) SEE(f)
    apus_attention_t attention = {BATCH, TOKENS, TOKENS, HEADS, 32, 0.2f, dtype, dropout};
    apus_heads_t q = {x, TOKENS * WIDTH, WIDTH, 32}, k = q, v = q, out = q, dq = q, dk = q, dv = q, dhead = q;
    k.data = weight, v.data = wide, out.data = c, dhead.data = dout, dq.data = d, dk.data = e, dv.data = f;
    void *scratch = aligned_alloc(64, (apus_attention_scratch() * THREADS + 63) / 64 * 64);
    memset(a, 0, SPACE * sizeof(float));
    apus_attention_forward(pool, isa, &attention, out, a, q, k, v, scratch);
    SEE(c) SEE(a)
    if (apus_attention_backward_workspace(&attention, THREADS) > 64 << 20) abort();
    apus_attention_backward(pool, isa, &attention, dq, dk, dv, dhead, out, a, q, k, v, scratch, more);
    SEE(d) SEE(e) SEE(f)
    if (apus_classifier_workspace(ROWS, WIDTH, VOCABULARY, dtype) > 64 << 20) abort();
    memset(c, 0, SPACE * sizeof(float));
    apus_classifier_forward(pool, isa, workspace, more, c, x, weight, dtype, tokens, ROWS, WIDTH, VOCABULARY);
    SEE(c)
    apus_classifier_forward_backward(
        pool, isa, workspace, more, c, d, e, x, weight, dtype, tokens, 0.01, ROWS, WIDTH, VOCABULARY);
    SEE(c) SEE(d) SEE(e)
    double sum = 0, norm = apus_global_norm(pool, isa, e, 30000, more);
    apus_accumulate_loss(pool, isa, &sum, c, 0.5, ROWS);
    memset(a, 0, SPACE * sizeof(float));
    memset(b, 0, SPACE * sizeof(float));
    apus_adamw_t update = {0.99f, (float)(1 / (1 + norm)), 0.9f, 0.95f, 0.1f, 0.05f, 1e-3f, 0.2f, 1e-8f};
    apus_adamw_update(pool, isa, f, e, a, b, (uint16_t *)c, &update, 30000);
    SEE(f) SEE(a) SEE(b) SEE(c)
    apus_fill_zero(pool, isa, c, 30000);
    void *all[] = {x, weight, dout, wide, a, b, c, d, e, f, workspace, more, scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    uint64_t bits;
    memcpy(&bits, &sum, 8);
    return hash ^ bits;
}

typedef struct {
    long shares[64];
    long total;
} counts_t;

static void count(void *context, int thread, int threads) {
    counts_t *counts = context;
    long begin, end;
    apus_share(1000, 8, thread, threads, &begin, &end);
    counts->shares[thread] += end - begin;
}

int main(void) {
    // Pools come and go, with tasks that end at once: where a wake-up could be lost.
    for (int round = 0; round < 40; round++) {
        int threads = 1 + round % 8;
        apus_pool_t *pool = apus_pool_create(threads);
        if (!pool) return 1;
        counts_t counts = {0};
        for (int i = 0; i < 500; i++) apus_pool_run_short(pool, count, &counts, i % 3 ? 1e6 : 1);
        for (int i = 0; i < 64; i++) counts.total += counts.shares[i];
        if (counts.total != 500 * 1000) return fprintf(stderr, "a share was lost: %ld\n", counts.total), 1;
        apus_pool_destroy(pool);
    }
    apus_pool_t *pool = apus_pool_create(THREADS);
    for (int isa = 0; isa <= (int)apus_isa_best(); isa++) {
        for (apus_dtype_t dtype = APUS_F32; dtype <= APUS_BF16; dtype++) {
            uint64_t first = turn(pool, isa, dtype), second = turn(pool, isa, dtype);
            printf("%-12s %s %016llx\n", apus_isa_name(isa), dtype ? "bfloat16" : "float32 ", (unsigned long long)first);
            if (first != second) return fprintf(stderr, "two runs gave other bits: %016llx\n", (unsigned long long)second), 1;
        }
    }
    apus_pool_destroy(pool);
    return 0;
}
