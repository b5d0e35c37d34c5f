// SPDX-License-Identifier: MIT
#include "attention.h"

#include "attention_portable.h"

enum { LINE = 64 };

static size_t round_up(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

size_t apus_attention_scratch(void) { return 4 << 20; }

typedef struct {
    attention_args_t args;
    char *scratch;
    float *workspace;
} run_t;

static void forward_task(void *context, int thread, int threads) {
    const run_t *run = context;
    const apus_attention_t *shape = &run->args.shape;
    float *scratch = (float *)(run->scratch + (size_t)thread * apus_attention_scratch());
    // Rows dealt out in turn, since a later row costs more.
    const long rows = shape->batch * shape->heads * shape->query_length;
    for (long row = thread; row < rows; row += threads) {
        const long head = row / shape->query_length;
        forward_row(&run->args, (head_t){head / shape->heads, head % shape->heads}, row % shape->query_length, scratch);
    }
}

void apus_attention_forward(
    apus_pool_t *pool, apus_isa_t isa, const apus_attention_t *attention, apus_heads_t out, float *lse, apus_heads_t q,
    apus_heads_t k, apus_heads_t v, void *scratch) {
    run_t run = {.args = {.shape = *attention, .isa = isa, .q = q, .k = k, .v = v, .out = out, .lse = lse}, .scratch = scratch};
    apus_pool_run(pool, forward_task, &run);
}

static size_t head_workspace(const apus_attention_t *shape) {
    return round_up(sizeof(float) * 2 * (size_t)(shape->key_length * shape->head_size));
}

size_t apus_attention_backward_workspace(const apus_attention_t *attention, int threads) {
    const long heads = attention->batch * attention->heads;
    return head_workspace(attention) * (size_t)(heads < threads ? heads : threads);
}

static void backward_task(void *context, int thread, int threads) {
    const run_t *run = context;
    const apus_attention_t *shape = &run->args.shape;
    void *scratch = run->scratch + (size_t)thread * apus_attention_scratch();
    float *workspace = (float *)((char *)run->workspace + (size_t)thread * head_workspace(shape));
    for (long head = thread; head < shape->batch * shape->heads; head += threads) {
        backward_head_portable(&run->args, (head_t){head / shape->heads, head % shape->heads}, scratch, workspace);
    }
}

void apus_attention_backward(
    apus_pool_t *pool, apus_isa_t isa, const apus_attention_t *attention, apus_heads_t dq, apus_heads_t dk, apus_heads_t dv,
    apus_heads_t dout, apus_heads_t out, const float *lse, apus_heads_t q, apus_heads_t k, apus_heads_t v, void *scratch,
    void *workspace) {
    run_t run = {.scratch = scratch, .workspace = workspace};
    run.args = (attention_args_t){
        .shape = *attention, .isa = isa, .q = q, .k = k, .v = v, .out = out, .dout = dout, .dq = dq, .dk = dk, .dv = dv,
        .lse = (float *)lse};
    apus_pool_run(pool, backward_task, &run);
}
