// SPDX-License-Identifier: MIT
#include <math.h>

#include "apus_ops.h"
#include "bfloat16.h"
#include "simd.h"

static const float EPSILON = 1e-5f;

typedef struct {
    void *out;
    apus_dtype_t dtype;
    float *mean, *rstd;
    const float *x, *weight, *bias;
    long rows, width;
    void (*range)(const void *args, long begin, long end);
} forward_t;

static void forward_portable(const void *context, long begin, long end) {
    const forward_t *args = context;
    const long width = args->width;
    for (long r = begin; r < end; r++) {
        const float *x = args->x + r * width;
        double sum = 0;
        for (long c = 0; c < width; c++) sum += x[c];
        const float mean = (float)(sum / (double)width);
        double squares = 0;
        for (long c = 0; c < width; c++) squares += (double)(x[c] - mean) * (x[c] - mean);
        const float rstd = 1 / sqrtf((float)(squares / (double)width) + EPSILON);
        for (long c = 0; c < width; c++) {
            const float bias = args->bias != NULL ? args->bias[c] : 0;
            apus_set(args->out, args->dtype, r * width + c, (x[c] - mean) * rstd * args->weight[c] + bias);
        }
        args->mean[r] = mean;
        args->rstd[r] = rstd;
    }
}

typedef struct {
    float *dx, *dweight, *dbias;
    const void *dout;
    apus_dtype_t dtype;
    const float *x, *weight, *mean, *rstd;
    long rows, width;
    long blocks, block_rows;
    float *partial;  // [blocks, 2, C]: dweight and dbias of each block of rows
    void (*range)(const void *args, long begin, long end, float *dweight, float *dbias);
} backward_t;

/// Rows [begin, end): adds to dx, and to the block's own dweight and dbias, which are zero before.
static void backward_portable(const void *context, long begin, long end, float *dweight, float *dbias) {
    const backward_t *args = context;
    const long width = args->width;
    for (long r = begin; r < end; r++) {
        const float *x = args->x + r * width;
        const float mean = args->mean[r], rstd = args->rstd[r];
        double sum = 0, product = 0;  // of g and of g * norm, g = dout * weight
        for (long c = 0; c < width; c++) {
            const float dout = apus_get(args->dout, args->dtype, r * width + c), norm = (x[c] - mean) * rstd;
            const float g = dout * args->weight[c];
            sum += g;
            product += (double)g * norm;
            dweight[c] += dout * norm;
            dbias[c] += dout;
        }
        const float mean_g = (float)(sum / (double)width), mean_gn = (float)(product / (double)width);
        for (long c = 0; c < width; c++) {
            const float norm = (x[c] - mean) * rstd;
            const float g = apus_get(args->dout, args->dtype, r * width + c) * args->weight[c];
            args->dx[r * width + c] += (g - mean_g - norm * mean_gn) * rstd;
        }
    }
}

#define APUS_TEMPLATE "layernorm_simd.h"
#include "simd_each.h"

static void forward_task(void *context, int thread, int threads) {
    const forward_t *args = context;
    long begin, end;
    apus_share(args->rows, 1, thread, threads, &begin, &end);
    args->range(args, begin, end);
}

void apus_layernorm_forward(
    apus_pool_t *pool, apus_isa_t isa, void *out, apus_dtype_t out_dtype, float *mean, float *rstd, const float *x,
    const float *weight, const float *bias, long rows, long width) {
    forward_t args = {out, out_dtype, mean, rstd, x, weight, bias, rows, width, APUS_SELECT(isa, forward)};
    apus_pool_run_short(pool, forward_task, &args, (double)rows * width / 4);
}

/// Rows are cut into blocks that depend on their number alone, so that sums come out the same with any number of threads;
/// enough blocks for many threads, few enough that adding them up costs nothing.
static long backward_blocks(long rows, long *block_rows) {
    *block_rows = rows / 128 > 8 ? (rows + 127) / 128 : 8;
    return (rows + *block_rows - 1) / *block_rows;
}

size_t apus_layernorm_backward_workspace(long rows, long width) {
    long block_rows;
    return (size_t)backward_blocks(rows, &block_rows) * 2 * (size_t)width * sizeof(float);
}

static void backward_task(void *context, int thread, int threads) {
    const backward_t *args = context;
    long begin, end;
    apus_share(args->blocks, 1, thread, threads, &begin, &end);
    for (long block = begin; block < end; block++) {
        float *partial = args->partial + block * 2 * args->width;
        memset(partial, 0, sizeof(float) * 2 * (size_t)args->width);
        const long first = block * args->block_rows, last = first + args->block_rows;
        args->range(args, first, last < args->rows ? last : args->rows, partial, partial + args->width);
    }
}

static void combine_task(void *context, int thread, int threads) {
    const backward_t *args = context;
    long begin, end;
    apus_share(args->width, 16, thread, threads, &begin, &end);
    for (long block = 0; block < args->blocks; block++) {
        const float *partial = args->partial + block * 2 * args->width;
        for (long c = begin; c < end; c++) args->dweight[c] += partial[c];
        if (args->dbias == NULL) continue;
        for (long c = begin; c < end; c++) args->dbias[c] += partial[args->width + c];
    }
}

void apus_layernorm_backward(
    apus_pool_t *pool, apus_isa_t isa, float *dx, float *dweight, float *dbias, const void *dout, apus_dtype_t dout_dtype,
    const float *x, const float *weight, const float *mean, const float *rstd, long rows, long width, void *workspace) {
    backward_t args = {
        .dx = dx, .dweight = dweight, .dbias = dbias, .dout = dout, .dtype = dout_dtype, .x = x, .weight = weight,
        .mean = mean, .rstd = rstd, .rows = rows, .width = width, .partial = workspace, .range = APUS_SELECT(isa, backward)};
    args.blocks = backward_blocks(rows, &args.block_rows);
    apus_pool_run_short(pool, backward_task, &args, (double)rows * width / 2);
    apus_pool_run_short(pool, combine_task, &args, (double)args.blocks * width / 4);
}
