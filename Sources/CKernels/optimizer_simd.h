// SPDX-License-Identifier: MIT
// Sums of squares and AdamW on vectors; see simd.h.
#if W == 16
static void FN(square_lanes)(double sums[LANES], const float *x, long count) {
    __m512d lanes[4];
    for (int j = 0; j < 4; j++) lanes[j] = _mm512_loadu_pd(sums + 8 * j);
    for (long i = 0; i < count; i += LANES) {
        for (int j = 0; j < 4; j++) {
            const __m512d wide = _mm512_cvtps_pd(_mm256_loadu_ps(x + i + 8 * j));
            lanes[j] = _mm512_fmadd_pd(wide, wide, lanes[j]);
        }
    }
    for (int j = 0; j < 4; j++) _mm512_storeu_pd(sums + 8 * j, lanes[j]);
}
#else
static void FN(square_lanes)(double sums[LANES], const float *x, long count) {
    __m256d lanes[8];
    for (int j = 0; j < 8; j++) lanes[j] = _mm256_loadu_pd(sums + 4 * j);
    for (long i = 0; i < count; i += LANES) {
        for (int j = 0; j < 8; j++) {
            const __m256d wide = _mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * j));
            lanes[j] = _mm256_fmadd_pd(wide, wide, lanes[j]);
        }
    }
    for (int j = 0; j < 8; j++) _mm256_storeu_pd(sums + 4 * j, lanes[j]);
}
#endif

APUS_INLINE void FN(adamw_vector)(const adamw_t *args, long i, int n) {
    const apus_adamw_t u = args->update;
    const vf g = FN(load)(args->g + i, n) * vset(u.gradient_scale), m0 = FN(load)(args->m + i, n);
    const vf m = vfma(vset(u.one_minus_beta1), g - m0, m0);
    const vf v = vfma(vset(u.one_minus_beta2) * g, g, vset(u.beta2) * FN(load)(args->v + i, n));
    const vf denominator = vsqrt(v) / vset(u.bias2) + vset(u.epsilon);
    const vf p = vfnma(vset(u.step_size), m / denominator, FN(load)(args->p + i, n) * vset(u.decay));
    FN(store)(args->m + i, m, n);
    FN(store)(args->v + i, v, n);
    FN(store)(args->p + i, p, n);
    if (args->copy != NULL) FN(store_bf16)(args->copy + i, p, n);
}

static void FN(adamw)(const void *context, long begin, long end) {
    long i = begin;
    for (; i + W <= end; i += W) FN(adamw_vector)(context, i, W);
    if (i < end) FN(adamw_vector)(context, i, (int)(end - i));
}
