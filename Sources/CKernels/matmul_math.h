// SPDX-License-Identifier: MIT
// exp and the two GELUs without branches, so that loops over them become vector code of whatever instruction set the
// surrounding function is compiled for.
//
// The polynomials are our own minimax fits (Lawson's iteration on Chebyshev points, in float64, then rounded).
#ifndef APUS_MATMUL_MATH_H
#define APUS_MATMUL_MATH_H

#include <string.h>

#include "apus_types.h"

#define APUS_INLINE static inline __attribute__((always_inline))

/// e^x, off by 1 ulp at most for -87.3 <= x <= 88; 0 below that, e^88 above it; NaN stays NaN.
///
/// e^x = 2^n e^r with n the nearest integer of x / ln 2; e^r = 1 + r + r^2 P(r) with a relative error of 3e-9.
APUS_INLINE float apus_exp(float x) {
    const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, which is then in the lower bits
    float limited = x > 88.0f ? 88.0f : x;
    limited = limited < -87.3f ? -87.3f : limited;
    const float shifted = limited * 1.44269504f + shift;
    const float n = shifted - shift;
    // ln 2 in two parts, the first with trailing zero bits, so that n times it is exact.
    const float r = (limited - n * 0.693145752f) - n * 1.42860682e-6f;
    float p = 0.00138141739f;
    p = p * r + 0.00836892147f;
    p = p * r + 0.0416684076f;
    p = p * r + 0.166665196f;
    p = p * r + 0.49999994f;
    const float mantissa = r * r * p + r + 1.0f;
    int bits;
    memcpy(&bits, &shifted, 4);
    bits = (int)(((unsigned)bits + 127u) << 23);
    float power;
    memcpy(&power, &bits, 4);
    return x < -87.3f ? 0.0f : mantissa * power;
}

/// The normal distribution function Phi(x), absolute error below 2e-7, and e^(-x^2/2), which its derivative needs.
///
/// erfc(z) = e^(-z^2) t Q(t), t = 1 / (1 + 0.46 z): the form of Abramowitz and Stegun 7.1.26 with a fit of degree 6.
APUS_INLINE float apus_normal_cdf(float x, float *gauss) {
    const float z = __builtin_fabsf(x) * 0.707106781f;
    const float t = 1.0f / (1.0f + 0.46f * z);
    *gauss = apus_exp(-0.5f * x * x);
    float q = 0.0921892822f;
    q = q * t - 0.464045674f;
    q = q * t + 0.740473211f;
    q = q * t - 0.254680276f;
    q = q * t + 0.398772687f;
    q = q * t + 0.224694729f;
    q = q * t + 0.262596041f;
    const float tail = 0.5f * *gauss * t * q;
    return x < 0.0f ? tail : 1.0f - tail;
}

APUS_INLINE float apus_gelu(float x) {
    float gauss;
    return x * apus_normal_cdf(x, &gauss);
}

APUS_INLINE float apus_gelu_derivative(float x) {
    float gauss;
    const float cdf = apus_normal_cdf(x, &gauss);
    return cdf + x * (gauss * 0.398942280f);
}

/// (1 + tanh u) / 2 = 1 / (1 + e^(-2u)) with u = sqrt(2/pi) (x + 0.044715 x^3).
APUS_INLINE float apus_gelu_tanh_gate(float x) {
    const float twice = 1.59576912f * (x + 0.044715f * x * x * x);
    return 1.0f / (1.0f + apus_exp(-twice));
}

APUS_INLINE float apus_gelu_tanh(float x) { return x * apus_gelu_tanh_gate(x); }

APUS_INLINE float apus_gelu_tanh_derivative(float x) {
    const float gate = apus_gelu_tanh_gate(x);
    const float slope = 1.59576912f * (1.0f + 0.134145f * x * x);
    // Beyond |x| of some 10 the gate is 0 or 1 and the product exactly 0, however large the slope.
    return gate + x * gate * (1.0f - gate) * slope;
}

#endif
