// SPDX-License-Identifier: MIT
// The classifier by chunks of rows: product to logits, softmax and loss, gradient of the logits, two products back.
#include "include/apus_classifier.h"

#include "apus_matmul.h"
#include "bfloat16.h"
#include "classifier_rows.h"

enum {
    // Each chunk packs the whole weight for the two products that read it and goes over all of dweight, so few rows cost
    // time, many cost memory: 512 rows of a vocabulary of 50304 are 103 MB; with 256 the whole takes a tenth longer.
    CHUNK_BYTES = 104 << 20,
    LEAST_ROWS = 32,
    MOST_ROWS = 1024,
    ALIGNMENT = 128,
};

/// Rows of a chunk: as many as the memory allows, all chunks about equal.
static long chunk_rows(long rows, long vocabulary) {
    long most = CHUNK_BYTES / 4 / vocabulary;
    most = most < LEAST_ROWS ? LEAST_ROWS : most > MOST_ROWS ? MOST_ROWS : most;
    const long chunks = (rows + most - 1) / most;
    return chunks < 1 ? 1 : (rows + chunks - 1) / chunks;
}

size_t apus_classifier_workspace(long rows, long width, long vocabulary, apus_dtype_t dtype) {
    (void)width;
    (void)dtype;
    return (size_t)chunk_rows(rows, vocabulary) * (size_t)vocabulary * 4 + ALIGNMENT;
}

/// What both functions work on; the forward alone has no dx.
typedef struct {
    apus_isa_t isa;
    void *matmul_workspace;
    float *logits;  // [chunk, V], then their gradient: the same memory, act, each row at its logits' start
    float *losses;
    char *dx;
    float *dweight;
    const char *x;
    const void *weight;
    apus_dtype_t dtype;
    const int32_t *targets;
    float scale;
    long rows, width, vocabulary;
    long begin, count;  // the chunk's rows
} classifier_t;

static void run_rows(void *context, int thread, int threads) {
    const classifier_t *c = context;
    const apus_classifier_row_function_t do_row = apus_classifier_row_of(c->isa);
    long begin, end;
    apus_share(c->count, 1, thread, threads, &begin, &end);
    for (long r = begin; r < end; r++) {
        const apus_classifier_row_t row = {
            .logits = c->logits + r * c->vocabulary, .count = c->vocabulary, .target = c->targets[c->begin + r],
            .gradient = c->dx != NULL, .dtype = c->dtype, .scale = c->scale};
        c->losses[c->begin + r] = do_row(&row);
    }
}

static void run_chunk(apus_pool_t *pool, const classifier_t *c) {
    const long size = apus_size(c->dtype), width = c->width;
    const char *x = c->x + c->begin * width * size;
    const apus_gemm_t forward = {
        .m = c->count, .n = c->vocabulary, .k = width, .dtype = c->dtype, .a = {x, width, 1}, .b = {c->weight, 1, width},
        .c = c->logits, .c_stride = c->vocabulary, .c_dtype = APUS_F32};
    apus_gemm(pool, c->isa, c->matmul_workspace, &forward);
    apus_pool_run(pool, run_rows, (void *)c);
    if (c->dx == NULL) return;
    const long stride = c->vocabulary * 4 / size;  // of the logits' gradient, in its own elements
    const apus_gemm_t input = {
        .m = c->count, .n = width, .k = c->vocabulary, .dtype = c->dtype, .a = {c->logits, stride, 1},
        .b = {c->weight, width, 1}, .c = c->dx + c->begin * width * size, .c_stride = width, .c_dtype = c->dtype};
    apus_gemm(pool, c->isa, c->matmul_workspace, &input);
    const apus_gemm_t weight = {
        .m = c->vocabulary, .n = width, .k = c->count, .dtype = c->dtype, .a = {c->logits, 1, stride}, .b = {x, width, 1},
        .c = c->dweight, .c_stride = width, .c_dtype = APUS_F32, .accumulate = 1};
    apus_gemm(pool, c->isa, c->matmul_workspace, &weight);
}

static void run(apus_pool_t *pool, classifier_t *c, void *workspace) {
    c->logits = (float *)(((uintptr_t)workspace + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    const long chunk = chunk_rows(c->rows, c->vocabulary);
    for (c->begin = 0; c->begin < c->rows; c->begin += chunk) {
        c->count = c->rows - c->begin < chunk ? c->rows - c->begin : chunk;
        run_chunk(pool, c);
    }
}

void apus_classifier_forward(
    apus_pool_t *pool, apus_isa_t isa, void *matmul_workspace, void *workspace, float *losses, const void *x,
    const void *weight, apus_dtype_t dtype, const int32_t *targets, long rows, long width, long vocabulary) {
    classifier_t classifier = {
        .isa = isa, .matmul_workspace = matmul_workspace, .losses = losses, .x = x, .weight = weight, .dtype = dtype,
        .targets = targets, .rows = rows, .width = width, .vocabulary = vocabulary};
    run(pool, &classifier, workspace);
}

void apus_classifier_forward_backward(
    apus_pool_t *pool, apus_isa_t isa, void *matmul_workspace, void *workspace, float *losses, void *dx, float *dweight,
    const void *x, const void *weight, apus_dtype_t dtype, const int32_t *targets, double scale, long rows, long width,
    long vocabulary) {
    classifier_t classifier = {
        .isa = isa, .matmul_workspace = matmul_workspace, .losses = losses, .dx = dx, .dweight = dweight, .x = x,
        .weight = weight, .dtype = dtype, .targets = targets, .scale = (float)scale, .rows = rows, .width = width,
        .vocabulary = vocabulary};
    run(pool, &classifier, workspace);
}
