// SPDX-License-Identifier: MIT
#include "dropout.h"

#include "bfloat16.h"
#include "philox.h"
#include "simd.h"

void apus_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]};
    apus_philox(c, key[0], key[1]);
    memcpy(out, c, sizeof c);
}

/// The bits of 16 blocks of four elements, the first being element 4 * block.
static uint64_t keep_blocks_portable(const apus_dropout_t *dropout, uint64_t sample, uint32_t block) {
    uint64_t bits = 0;
    for (uint32_t b = 0; b < 16; b++) {
        uint32_t c[4] = {block + b, dropout->site, (uint32_t)sample, (uint32_t)(sample >> 32)};
        apus_philox(c, (uint32_t)dropout->seed, (uint32_t)(dropout->seed >> 32));
        for (uint32_t w = 0; w < 4; w++) bits |= (uint64_t)(c[w] >= dropout->threshold) << (4 * b + w);
    }
    return bits;
}

static void drop_portable(void *x, apus_dtype_t dtype, uint64_t keep, float scale) {
    for (long i = 0; i < 64; i++) apus_set(x, dtype, i, keep >> i & 1 ? apus_get(x, dtype, i) * scale : 0);
}

#define APUS_TEMPLATE "dropout_simd.h"
#include "simd_each.h"

uint64_t apus_keep_bits(apus_isa_t isa, const apus_dropout_t *dropout, uint64_t sample, uint64_t first, int count) {
    uint64_t (*blocks)(const apus_dropout_t *, uint64_t, uint32_t) = APUS_SELECT(isa, keep_blocks);
    const uint32_t block = (uint32_t)(first / 4);
    const int skip = (int)(first % 4);  // elements of the first block that come before `first`
    uint64_t bits = blocks(dropout, sample, block) >> skip;
    if (skip != 0 && count > 64 - skip) bits |= blocks(dropout, sample, block + 16) << (64 - skip);
    return count == 64 ? bits : bits & (((uint64_t)1 << count) - 1);
}

typedef struct {
    void *x;
    apus_dtype_t dtype;
    long count, sample_size;
    apus_isa_t isa;
    apus_dropout_t dropout;
} args_t;

/// Chunks of 64 elements, counted anew in every sample.
static void task(void *context, int thread, int threads) {
    const args_t *args = context;
    const long per_sample = (args->sample_size + 63) / 64, samples = args->count / args->sample_size;
    long begin, end;
    apus_share(samples * per_sample, 1, thread, threads, &begin, &end);
    for (long chunk = begin; chunk < end; chunk++) {
        const long sample = chunk / per_sample, first = chunk % per_sample * 64;
        const long left = args->sample_size - first, count = left < 64 ? left : 64, at = sample * args->sample_size + first;
        const uint64_t keep =
            apus_keep_bits(args->isa, &args->dropout, args->dropout.first_sample + (uint64_t)sample, (uint64_t)first, (int)count);
        if (count == 64) {
            APUS_SELECT(args->isa, drop)((char *)args->x + at * apus_size(args->dtype), args->dtype, keep, args->dropout.scale);
            continue;
        }
        for (long i = 0; i < count; i++) {
            const float factor = keep >> i & 1 ? args->dropout.scale : 0;
            apus_set(args->x, args->dtype, at + i, apus_get(args->x, args->dtype, at + i) * factor);
        }
    }
}

void apus_dropout(
    apus_pool_t *pool, apus_isa_t isa, void *x, apus_dtype_t dtype, long count, long sample_size, apus_dropout_t dropout) {
    if (dropout.threshold == 0 || count == 0) return;
    args_t args = {x, dtype, count, sample_size, isa, dropout};
    apus_pool_run_short(pool, task, &args, (double)count / 2);
}
