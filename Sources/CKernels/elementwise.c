// SPDX-License-Identifier: MIT
#include "apus_ops.h"
#include "bfloat16.h"
#include "simd.h"

enum { GRAIN = 1024 };  // elements; shares are cut at its multiples, so that no two threads write one cache line

typedef struct {
    void *out;
    const void *a;
    const void *b;
    apus_dtype_t out_dtype;
    apus_dtype_t in_dtype;
    long count;
    void (*range)(void *out, const void *a, const void *b, long begin, long end);
} args_t;

static void run_range(void *context, int thread, int threads) {
    const args_t *args = context;
    long begin, end;
    apus_share(args->count, GRAIN, thread, threads, &begin, &end);
    if (begin < end) args->range(args->out, args->a, args->b, begin, end);
}

static void zero_range(void *out, const void *a, const void *b, long begin, long end) {
    (void)a, (void)b;
    memset((char *)out + begin, 0, (size_t)(end - begin));
}

void apus_fill_zero(apus_pool_t *pool, apus_isa_t isa, void *out, size_t bytes) {
    (void)isa;
    args_t args = {.out = out, .count = (long)bytes, .range = zero_range};
    apus_pool_run_short(pool, run_range, &args, (double)args.count / 8);
}

static void copy_range(void *out, const void *a, const void *b, long begin, long end) {
    (void)b;
    memcpy((char *)out + begin, (const char *)a + begin, (size_t)(end - begin));
}

void apus_copy(apus_pool_t *pool, apus_isa_t isa, void *out, const void *in, size_t bytes) {
    (void)isa;
    args_t args = {.out = out, .a = in, .count = (long)bytes, .range = copy_range};
    apus_pool_run_short(pool, run_range, &args, (double)args.count / 8);
}

static void to_bf16_portable(void *out, const void *a, const void *b, long begin, long end) {
    (void)b;
    for (long i = begin; i < end; i++) ((uint16_t *)out)[i] = apus_to_bf16(((const float *)a)[i]);
}

static void to_f32_portable(void *out, const void *a, const void *b, long begin, long end) {
    (void)b;
    for (long i = begin; i < end; i++) ((float *)out)[i] = apus_from_bf16(((const uint16_t *)a)[i]);
}

static void add_f32_portable(void *out, const void *a, const void *b, long begin, long end) {
    for (long i = begin; i < end; i++) ((float *)out)[i] = ((const float *)a)[i] + ((const float *)b)[i];
}

static void add_bf16_portable(void *out, const void *a, const void *b, long begin, long end) {
    for (long i = begin; i < end; i++) ((float *)out)[i] = ((const float *)a)[i] + apus_from_bf16(((const uint16_t *)b)[i]);
}

#define APUS_TEMPLATE "elementwise_simd.h"
#include "simd_each.h"

void apus_convert(
    apus_pool_t *pool, apus_isa_t isa, void *out, apus_dtype_t out_dtype, const void *in, apus_dtype_t in_dtype, long count) {
    if (out_dtype == in_dtype) {
        apus_copy(pool, isa, out, in, (size_t)(count * apus_size(in_dtype)));
        return;
    }
    args_t args = {.out = out, .a = in, .count = count};
    args.range = out_dtype == APUS_BF16 ? APUS_SELECT(isa, to_bf16) : APUS_SELECT(isa, to_f32);
    apus_pool_run_short(pool, run_range, &args, (double)args.count / 8);
}

void apus_residual_add(
    apus_pool_t *pool, apus_isa_t isa, float *out, const float *a, const void *b, apus_dtype_t b_dtype, long count) {
    args_t args = {.out = out, .a = a, .b = b, .count = count};
    args.range = b_dtype == APUS_F32 ? APUS_SELECT(isa, add_f32) : APUS_SELECT(isa, add_bf16);
    apus_pool_run_short(pool, run_range, &args, (double)args.count / 8);
}
