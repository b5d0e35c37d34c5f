// SPDX-License-Identifier: MIT
// What the attention kernels share: the arguments, and the one-item functions of each instruction set.
#ifndef APUS_ATTENTION_INTERNAL_H
#define APUS_ATTENTION_INTERNAL_H

#include <stdint.h>

#include "apus_attention.h"
#include "bfloat16.h"
#include "dropout.h"

typedef struct {
    apus_attention_t shape;
    apus_isa_t isa;
    apus_heads_t q, k, v, out, dout, dq, dk, dv;
    float *lse;
} attention_args_t;

/// A head of one sequence.
typedef struct {
    long b, h;
} head_t;

/// Where token t of a head starts.
static inline void *apus_token(apus_heads_t view, apus_dtype_t dtype, head_t head, long t) {
    const long element = head.b * view.batch_stride + t * view.token_stride + head.h * view.head_stride;
    return (char *)view.data + element * apus_size(dtype);
}

static inline float *apus_lse(const attention_args_t *args, head_t head, long t) {
    return args->lse + (head.b * args->shape.heads + head.h) * args->shape.query_length + t;
}

/// Which of `count` keys from `s` on the weight of query t is kept for.
static inline uint64_t apus_attention_keep(const attention_args_t *args, head_t head, long t, long s, int count) {
    const apus_attention_t *shape = &args->shape;
    const uint64_t length = (uint64_t)shape->key_length, row = (uint64_t)(shape->key_length - shape->query_length + t);
    const uint64_t first = ((uint64_t)head.h * length + row) * length + (uint64_t)s;
    return apus_keep_bits(args->isa, &shape->dropout, shape->dropout.first_sample + (uint64_t)head.b, first, count);
}

#endif
