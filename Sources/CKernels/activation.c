// SPDX-License-Identifier: MIT
#include <math.h>

#include "apus_ops.h"
#include "bfloat16.h"
#include "simd.h"

enum { GRAIN = 1024 };

typedef struct {
    void *out;
    const void *dout, *x;
    long count;
    void (*range)(void *out, const void *dout, const void *x, long begin, long end);
} args_t;

// gelu(x) = x Phi(x), gelu'(x) = Phi(x) + x phi(x): Phi the normal distribution function, phi = Phi' its density.
static float gelu(float x) { return 0.5f * x * (1 + erff(x * 0.70710678f)); }

static float gelu_derivative(float x) {
    return 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
}

// gelu_tanh(x) = x/2 (1 + t), t = tanh(u), u = sqrt(2/pi) (x + 0.044715 x^3); its derivative is
// (1 + t)/2 + x/2 (1 - t^2) u' with u' = sqrt(2/pi) (1 + 3 * 0.044715 x^2).
static float gelu_tanh(float x) { return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x))); }

static float gelu_tanh_derivative(float x) {
    const float t = tanhf(0.79788456f * (x + 0.044715f * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 0.134145f * x * x);
}

#define RANGES(NAME, DTYPE)                                                                                   \
    static void NAME##_##DTYPE##_portable(void *out, const void *dout, const void *x, long begin, long end) { \
        (void)dout;                                                                                           \
        for (long i = begin; i < end; i++) apus_set(out, APUS_##DTYPE, i, NAME(apus_get(x, APUS_##DTYPE, i))); \
    }                                                                                                         \
    static void d##NAME##_##DTYPE##_portable(void *out, const void *dout, const void *x, long begin, long end) { \
        for (long i = begin; i < end; i++) {                                                                  \
            const float d = apus_get(dout, APUS_##DTYPE, i);                                                  \
            apus_set(out, APUS_##DTYPE, i, d * NAME##_derivative(apus_get(x, APUS_##DTYPE, i)));              \
        }                                                                                                     \
    }
RANGES(gelu, F32)
RANGES(gelu, BF16)
RANGES(gelu_tanh, F32)
RANGES(gelu_tanh, BF16)

#define APUS_TEMPLATE "activation_simd.h"
#include "simd_each.h"

static void task(void *context, int thread, int threads) {
    const args_t *args = context;
    long begin, end;
    apus_share(args->count, GRAIN, thread, threads, &begin, &end);
    if (begin < end) args->range(args->out, args->dout, args->x, begin, end);
}

void apus_activation_forward(
    apus_pool_t *pool, apus_isa_t isa, void *out, const void *x, apus_dtype_t dtype, apus_activation_t activation, long count) {
    args_t args = {.out = out, .x = x, .count = count};
    if (activation == APUS_ACTIVATION_NONE) {
        if (out != x) apus_copy(pool, isa, out, x, (size_t)(count * apus_size(dtype)));
        return;
    }
    if (activation == APUS_ACTIVATION_GELU) {
        args.range = dtype == APUS_F32 ? APUS_SELECT(isa, gelu_F32) : APUS_SELECT(isa, gelu_BF16);
    } else {
        args.range = dtype == APUS_F32 ? APUS_SELECT(isa, gelu_tanh_F32) : APUS_SELECT(isa, gelu_tanh_BF16);
    }
    apus_pool_run_short(pool, task, &args, (double)count / 2);
}

void apus_activation_backward(
    apus_pool_t *pool, apus_isa_t isa, void *dx, const void *dout, const void *x, apus_dtype_t dtype,
    apus_activation_t activation, long count) {
    args_t args = {.out = dx, .dout = dout, .x = x, .count = count};
    if (activation == APUS_ACTIVATION_NONE) {
        if (dx != dout) apus_copy(pool, isa, dx, dout, (size_t)(count * apus_size(dtype)));
        return;
    }
    if (activation == APUS_ACTIVATION_GELU) {
        args.range = dtype == APUS_F32 ? APUS_SELECT(isa, dgelu_F32) : APUS_SELECT(isa, dgelu_BF16);
    } else {
        args.range = dtype == APUS_F32 ? APUS_SELECT(isa, dgelu_tanh_F32) : APUS_SELECT(isa, dgelu_tanh_BF16);
    }
    apus_pool_run_short(pool, task, &args, (double)count / 2);
}
