// SPDX-License-Identifier: MIT
#include "apus_optimizer.h"

#include <math.h>

#include "bfloat16.h"
#include "simd.h"

void apus_accumulate_loss(apus_pool_t *pool, apus_isa_t isa, double *sum, const float *losses, double scale, long rows) {
    (void)pool, (void)isa;  // a few thousand rows: not worth waking threads
    double total = 0;
    for (long r = 0; r < rows; r++) total += losses[r];
    *sum += scale * total;
}

enum { BLOCK = 1 << 16 };  // elements of one partial sum of squares
enum { LANES = 32 };       // sums within a block: lane i adds elements i, i + 32, ..., whatever the instruction set

typedef struct {
    const float *x;
    long count;
    double *partial;
    void (*lanes)(double sums[LANES], const float *x, long count);
} norm_t;

/// Adds squares to the lanes; count is a multiple of LANES. A float's square is exact in float64, so that fused and
/// separate multiply-adds agree.
static void square_lanes_portable(double sums[LANES], const float *x, long count) {
    for (long i = 0; i < count; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) sums[lane] += (double)x[i + lane] * x[i + lane];
    }
}

typedef struct {
    float *p, *m, *v;
    const float *g;
    uint16_t *copy;
    apus_adamw_t update;
    long count;
    void (*range)(const void *args, long begin, long end);
} adamw_t;

static void adamw_element(const adamw_t *args, long i) {
    const apus_adamw_t u = args->update;
    const float g = args->g[i] * u.gradient_scale;
    const float m = args->m[i] + u.one_minus_beta1 * (g - args->m[i]);
    const float v = u.beta2 * args->v[i] + u.one_minus_beta2 * g * g;
    const float p = args->p[i] * u.decay - u.step_size * (m / (sqrtf(v) / u.bias2 + u.epsilon));
    args->m[i] = m;
    args->v[i] = v;
    args->p[i] = p;
    if (args->copy != NULL) args->copy[i] = apus_to_bf16(p);
}

static void adamw_portable(const void *context, long begin, long end) {
    for (long i = begin; i < end; i++) adamw_element(context, i);
}

#define APUS_TEMPLATE "optimizer_simd.h"
#include "simd_each.h"

static void norm_task(void *context, int thread, int threads) {
    const norm_t *args = context;
    long begin, end;
    apus_share((args->count + BLOCK - 1) / BLOCK, 1, thread, threads, &begin, &end);
    for (long block = begin; block < end; block++) {
        const long first = block * BLOCK, left = args->count - first, count = left < BLOCK ? left : BLOCK;
        const long whole = count / LANES * LANES;
        double sums[LANES] = {0}, sum = 0;
        args->lanes(sums, args->x + first, whole);
        for (long i = whole; i < count; i++) sums[i - whole] += (double)args->x[first + i] * args->x[first + i];
        for (int lane = 0; lane < LANES; lane++) sum += sums[lane];
        args->partial[block] = sum;
    }
}

size_t apus_global_norm_workspace(long count) { return (size_t)((count + BLOCK - 1) / BLOCK + 1) * sizeof(double); }

double apus_global_norm(apus_pool_t *pool, apus_isa_t isa, const float *gradients, long count, void *workspace) {
    norm_t args = {gradients, count, workspace, APUS_SELECT(isa, square_lanes)};
    apus_pool_run_short(pool, norm_task, &args, (double)count / 8);
    double sum = 0;
    for (long block = 0; block < (count + BLOCK - 1) / BLOCK; block++) sum += args.partial[block];
    return sqrt(sum);
}

static void adamw_task(void *context, int thread, int threads) {
    const adamw_t *args = context;
    long begin, end;
    apus_share(args->count, 1024, thread, threads, &begin, &end);
    if (begin < end) args->range(args, begin, end);
}

void apus_adamw_update(
    apus_pool_t *pool, apus_isa_t isa, float *p, const float *g, float *m, float *v, uint16_t *copy, const apus_adamw_t *update,
    long count) {
    adamw_t args = {p, m, v, g, copy, *update, count, APUS_SELECT(isa, adamw)};
    apus_pool_run_short(pool, adamw_task, &args, (double)count);
}
