// SPDX-License-Identifier: MIT
// Elementary functions on vectors; part of simd_avx2.h and simd_avx512.h.

/// e^x to 2 ulp; 0 below -104 (AVX2: -87.4), infinity above 88.8, NaN stays.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, e^x = 2^n e^r. The polynomial is our own fit of e^r with the least largest relative
/// error (3e-9) under the condition that it starts with 1 + r. ln 2 is taken off in two parts, so that r keeps its digits.
APUS_INLINE vf FN(exp)(vf x) {
    x = vmin(vset(89.0f), vmax(vset(-110.0f), x));
    const vf n = FN(round)(x * vset(1.44269504f));
    const vf r = vfnma(n, vset(-2.12194440e-4f), vfnma(n, vset(0.693359375f), x));
    vf p = vset(1.38145989e-3f);
    p = vfma(p, r, vset(8.36871692e-3f));
    p = vfma(p, r, vset(4.16683880e-2f));
    p = vfma(p, r, vset(1.66665206e-1f));
    p = vfma(p, r, vset(4.99999934e-1f));
    p = vfma(p, r, vset(1));
    p = vfma(p, r, vset(1));
    return FN(scale2)(p, n);
}

/// 2^x for finite x <= 0, to 2 ulp; 0 below -149 (AVX2: -126), NaN stays. The same fit with its powers of ln 2 multiplied in.
APUS_INLINE vf FN(exp2)(vf x) {
#if W == 8
    x = vmax(vset(-155.0f), x);  // scale2 takes whole numbers of 32 bits; vscalefps of AVX-512 any
#endif
    const vf n = FN(round)(x), r = x - n;
    vf p = vset(1.53211388e-04f);
    p = vfma(p, r, vset(1.33901728e-03f));
    p = vfma(p, r, vset(9.61852646e-03f));
    p = vfma(p, r, vset(5.55036223e-02f));
    p = vfma(p, r, vset(2.40226475e-01f));
    p = vfma(p, r, vset(0.693147181f));
    p = vfma(p, r, vset(1));
    return FN(scale2)(p, n);
}

/// The normal distribution function Phi(x) = (1 + erf(x / sqrt 2)) / 2 to 2.5e-7 absolute, and e^(-x^2/2) on the way.
///
/// Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: erfc(y) = t (a1 + ... + a5 t^4) e^(-y^2) for
/// y >= 0, t = 1 / (1 + 0.3275911 y), to 1.5e-7; here y = |x| / sqrt 2, and the factor 1/2 is in the coefficients.
APUS_INLINE vf FN(normal_cdf)(vf x, vf *exponential) {
    const vf size = vmax(x, vset(0) - x);
    const vf t = vset(1) / vfma(size, vset(0.3275911f * 0.70710678f), vset(1));
    *exponential = FN(exp)(vset(-0.5f) * x * x);
    vf p = vset(0.5f * 1.061405429f);
    p = vfma(p, t, vset(0.5f * -1.453152027f));
    p = vfma(p, t, vset(0.5f * 1.421413741f));
    p = vfma(p, t, vset(0.5f * -0.284496736f));
    p = vfma(p, t, vset(0.5f * 0.254829592f));
    const vf tail = p * t * *exponential;
    return FN(negative)(x, tail, vset(1) - tail);
}

/// tanh(x) to 2e-7 absolute: 1 - 2 / (e^2x + 1).
APUS_INLINE vf FN(tanh)(vf x) { return vset(1) - vset(2) / (FN(exp)(x + x) + vset(1)); }
