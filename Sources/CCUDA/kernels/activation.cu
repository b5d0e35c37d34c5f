// SPDX-License-Identifier: MIT
// GELU and its derivative, the exact form (activation 0) and the tanh approximation (1), act in and out.
// cuBLASLt's GELU epilogue is the tanh form; the exact one comes after the product, here.

/// x/2 (1 + erf(x / sqrt 2)), or x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
DEVICE float gelu(float x, int activation) {
    if (activation == 0) return 0.5f * x * (1 + erff(x * 0.70710678f));
    return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
}

/// Phi(x) + x phi(x), or (1 + t)/2 + x/2 (1 - t^2) u' with t = tanh(u)
DEVICE float gelu_derivative(float x, int activation) {
    if (activation == 0) return 0.5f * (1 + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
    const float t = tanhf(0.79788456f * (x + 0.044715f * x * x * x));
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.79788456f * (1 + 0.134145f * x * x);
}

KERNEL(256) activation_forward(act *out, const act *x, i64 count, int activation) {
    each_element(count, by_four(out) && by_four(x), [&](i64 i) {
        four f = get4(x, i);
        for (float &v : f.v) v = gelu(v, activation);
        set4(out, i, f);
    }, [&](i64 i) { set(out, i, gelu(get(x, i), activation)); });
}

KERNEL(256) activation_backward(act *dx, const act *dout, const act *x, i64 count, int activation) {
    each_element(count, by_four(dx) && by_four(dout) && by_four(x), [&](i64 i) {
        four d = get4(dout, i);
        const four f = get4(x, i);
        for (int j = 0; j < 4; j++) d.v[j] *= gelu_derivative(f.v[j], activation);
        set4(dx, i, d);
    }, [&](i64 i) { set(dx, i, get(dout, i) * gelu_derivative(get(x, i), activation)); });
}

/// preactivation += bias (null: none), out = activation(preactivation), of the value as it is stored.
KERNEL(256) bias_activation(act *out, act *preactivation, const float *bias, i64 count, int width, int activation) {
    const bool vectors = width % 4 == 0 && by_four(out) && by_four(preactivation) && (bias == nullptr || by_four(bias));
    each_element(count, vectors, [&](i64 i) {
        four f = get4(preactivation, i);
        if (bias != nullptr) {
            const four b = get4(bias, i - divide(i, width) * width);
            for (int j = 0; j < 4; j++) f.v[j] += b.v[j];
            set4(preactivation, i, f);
            f = get4(preactivation, i);
        }
        for (float &v : f.v) v = gelu(v, activation);
        set4(out, i, f);
    }, [&](i64 i) {
        if (bias != nullptr) set(preactivation, i, get(preactivation, i) + bias[i - divide(i, width) * width]);
        set(out, i, gelu(get(preactivation, i), activation));
    });
}

/// x[r] += bias
KERNEL(256) bias_add(act *x, const float *bias, i64 count, int width) {
    each_element(count, width % 4 == 0 && by_four(x) && by_four(bias), [&](i64 i) {
        four f = get4(x, i);
        const four b = get4(bias, i - divide(i, width) * width);
        for (int j = 0; j < 4; j++) f.v[j] += b.v[j];
        set4(x, i, f);
    }, [&](i64 i) { set(x, i, get(x, i) + bias[i - divide(i, width) * width]); });
}
