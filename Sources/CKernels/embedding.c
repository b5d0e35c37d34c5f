// SPDX-License-Identifier: MIT
#include "apus_ops.h"
#include "bfloat16.h"

typedef struct {
    float *out;
    const int32_t *tokens, *positions;
    const float *wte, *wpe;
    long rows, width;
} forward_t;

static void forward_rows(void *context, int thread, int threads) {
    const forward_t *args = context;
    const long width = args->width;
    long begin, end;
    apus_share(args->rows, 1, thread, threads, &begin, &end);
    for (long r = begin; r < end; r++) {
        const float *a = args->wte + args->tokens[r] * width, *b = args->wpe + args->positions[r] * width;
        float *out = args->out + r * width;
        for (long c = 0; c < width; c++) out[c] = a[c] + b[c];
    }
}

void apus_embedding_forward(
    apus_pool_t *pool, apus_isa_t isa, float *out, const int32_t *tokens, const int32_t *positions, const float *wte,
    const float *wpe, long rows, long width) {
    (void)isa;  // bound by memory; the compiler's code for any x86-64 is as fast
    forward_t args = {out, tokens, positions, wte, wpe, rows, width};
    apus_pool_run_short(pool, forward_rows, &args, (double)rows * width / 4);
}

typedef struct {
    float *dwte, *dwpe;
    const float *dout;
    const int32_t *tokens, *positions;
    long rows, width;
} backward_t;

enum { COLUMNS = 32 };  // floats of a column share: whole cache lines

/// Adds the columns [c0, c1) of the rows whose index falls into a thread's class.
static void add_rows(
    float *table, const float *dout, const int32_t *indices, long rows, long width, long c0, long c1, int class, int classes) {
    for (long r = 0; r < rows; r++) {
        if (classes > 1 && indices[r] % classes != class) continue;
        float *into = table + indices[r] * width;
        const float *from = dout + r * width;
        for (long c = c0; c < c1; c++) into[c] += from[c];
    }
}

/// Every element of a table belongs to one thread, which adds to it in the order of r: threads share the columns among
/// them, and where there are more threads than shares of columns, the tokens by their remainder.
static void backward_columns(void *context, int thread, int threads) {
    const backward_t *args = context;
    const long shares = (args->width + COLUMNS - 1) / COLUMNS;
    const int groups = shares < threads ? (int)shares : threads;
    const int classes = threads / groups;
    if (thread >= groups * classes) return;
    long c0, c1;
    apus_share(args->width, COLUMNS, thread % groups, groups, &c0, &c1);
    const int class = thread / groups;
    add_rows(args->dwte, args->dout, args->tokens, args->rows, args->width, c0, c1, class, classes);
    add_rows(args->dwpe, args->dout, args->positions, args->rows, args->width, c0, c1, class, classes);
}

void apus_embedding_backward(
    apus_pool_t *pool, apus_isa_t isa, float *dwte, float *dwpe, const float *dout, const int32_t *tokens,
    const int32_t *positions, long rows, long width) {
    (void)isa;
    backward_t args = {dwte, dwpe, dout, tokens, positions, rows, width};
    apus_pool_run_short(pool, backward_columns, &args, (double)rows * width / 4);
}
