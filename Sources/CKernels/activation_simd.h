// SPDX-License-Identifier: MIT
// GELU and its derivative on vectors; see simd.h and simd_math.h.
APUS_INLINE vf FN(any)(const void *p, apus_dtype_t dtype, long i, int n) {
    return dtype == APUS_F32 ? FN(load)((const float *)p + i, n) : FN(load_bf16)((const uint16_t *)p + i, n);
}

APUS_INLINE void FN(put)(void *p, apus_dtype_t dtype, long i, vf v, int n) {
    if (dtype == APUS_F32) {
        FN(store)((float *)p + i, v, n);
    } else {
        FN(store_bf16)((uint16_t *)p + i, v, n);
    }
}

APUS_INLINE vf FN(gelu)(vf x) {
    vf exponential;
    return x * FN(normal_cdf)(x, &exponential);
}

APUS_INLINE vf FN(gelu_derivative)(vf x) {
    vf exponential;
    const vf cdf = FN(normal_cdf)(x, &exponential);
    return vfma(x * vset(0.39894228f), exponential, cdf);
}

APUS_INLINE vf FN(gelu_tanh_of)(vf x) { return FN(tanh)(vset(0.79788456f) * vfma(x * x * x, vset(0.044715f), x)); }

APUS_INLINE vf FN(gelu_tanh)(vf x) { return vset(0.5f) * x * (vset(1) + FN(gelu_tanh_of)(x)); }

APUS_INLINE vf FN(gelu_tanh_derivative)(vf x) {
    const vf t = FN(gelu_tanh_of)(x), slope = vset(0.79788456f) * vfma(x * x, vset(0.134145f), vset(1));
    return vfma(vset(0.5f) * x * vfnma(t, t, vset(1)), slope, vset(0.5f) * (vset(1) + t));
}

#define RANGE(NAME, DTYPE)                                                                                      \
    static void FN(NAME##_##DTYPE)(void *out, const void *dout, const void *x, long begin, long end) {          \
        (void)dout;                                                                                             \
        long i = begin;                                                                                         \
        for (; i + W <= end; i += W) FN(put)(out, APUS_##DTYPE, i, FN(NAME)(FN(any)(x, APUS_##DTYPE, i, W)), W); \
        const int n = (int)(end - i);                                                                           \
        if (n > 0) FN(put)(out, APUS_##DTYPE, i, FN(NAME)(FN(any)(x, APUS_##DTYPE, i, n)), n);                   \
    }                                                                                                           \
    static void FN(d##NAME##_##DTYPE)(void *out, const void *dout, const void *x, long begin, long end) {       \
        long i = begin;                                                                                         \
        for (; i + W <= end; i += W) {                                                                          \
            const vf d = FN(any)(dout, APUS_##DTYPE, i, W), at = FN(any)(x, APUS_##DTYPE, i, W);                 \
            FN(put)(out, APUS_##DTYPE, i, d * FN(NAME##_derivative)(at), W);                                     \
        }                                                                                                       \
        const int n = (int)(end - i);                                                                           \
        if (n == 0) return;                                                                                     \
        const vf d = FN(any)(dout, APUS_##DTYPE, i, n), at = FN(any)(x, APUS_##DTYPE, i, n);                     \
        FN(put)(out, APUS_##DTYPE, i, d * FN(NAME##_derivative)(at), n);                                         \
    }
RANGE(gelu, F32)
RANGE(gelu, BF16)
RANGE(gelu_tanh, F32)
RANGE(gelu_tanh, BF16)
#undef RANGE
