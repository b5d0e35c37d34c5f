// SPDX-License-Identifier: MIT
// Copies between strided views of keys, values or queries: new tokens into a cache.
#include <string.h>

#include "apus_attention.h"

typedef struct {
    apus_heads_t to, from;
    long batch, tokens, heads;
    size_t head_bytes;
    long element;
} copy_t;

static void copy_tokens(void *context, int thread, int threads) {
    const copy_t *c = context;
    long begin, end;
    apus_share(c->batch * c->tokens, 1, thread, threads, &begin, &end);
    for (long row = begin; row < end; row++) {
        const long b = row / c->tokens, t = row % c->tokens;
        char *to = (char *)c->to.data + (b * c->to.batch_stride + t * c->to.token_stride) * c->element;
        const char *from = (const char *)c->from.data + (b * c->from.batch_stride + t * c->from.token_stride) * c->element;
        for (long h = 0; h < c->heads; h++) {
            memcpy(to + h * c->to.head_stride * c->element, from + h * c->from.head_stride * c->element, c->head_bytes);
        }
    }
}

void apus_copy_heads(
    apus_pool_t *pool, apus_heads_t to, apus_heads_t from, apus_dtype_t dtype, long batch, long tokens, long heads,
    long head_size) {
    const long element = dtype == APUS_F32 ? 4 : 2;
    copy_t copy = {to, from, batch, tokens, heads, (size_t)(head_size * element), element};
    apus_pool_run_short(pool, copy_tokens, &copy, (double)batch * tokens * heads * head_size / 8);
}
