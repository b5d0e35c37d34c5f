// SPDX-License-Identifier: MIT
// AdamW with decoupled decay and bias correction, in PyTorch's order, and the bfloat16 copy of the new parameter; nothing where
// the state says that loss or gradient is not finite. Source: Loshchilov, Hutter, arXiv 1711.05101.

/// What is the same for every element, as CKernels' apus_adamw_t.
struct adamw_t { float decay, gradient_scale, one_minus_beta1, beta2, one_minus_beta2, step_size, bias2, epsilon; };

/// The new parameter; m and v are updated.
DEVICE float adamw_element(adamw_t u, float p, float gradient, float &m, float &v) {
    const float g = gradient * u.gradient_scale;
    m = m + u.one_minus_beta1 * (g - m);
    v = u.beta2 * v + u.one_minus_beta2 * g * g;
    return p * u.decay - u.step_size * (m / (sqrtf(v) / u.bias2 + u.epsilon));
}

/// bfloat16 below or above x, above with the probability of x's place between them: 16 random bits decide. Not a number and
/// infinity stay what they are.
DEVICE bf16 round_stochastically(float x, u32 random) {
    const u32 bits = bits_of(x);
    if ((bits & 0x7f800000u) == 0x7f800000u) return to_bf16(x);
    bf16 result;
    result.bits = (u16)((bits + (random & 0xffff)) >> 16);
    return result;
}

/// x^n by squaring: some dozen multiplications, where pow would take as long as the block's share of the update.
DEVICE double power(double x, u64 n) {
    double result = 1;
    for (; n != 0; n >>= 1, x *= x) {
        if (n & 1) result *= x;
    }
    return result;
}

KERNEL(256) adamw_update(
    float *parameter, const float *gradient, float *exp_avg, float *exp_avg_sq, bf16 *copy, const double *state, i64 count,
    double beta1, double beta2, double epsilon, double weight_decay, double rate_multiplier, int stochastic, u64 seed,
    u32 parameter_index) {
    if (state[STATE_FINITE] != 1) return;
    SHARED(float, scalars, 4);
    const double updates = state[STATE_UPDATES];
    if (threadIdx.x == 0) {
        // In float64, as PyTorch computes these in Python's floats; once a block, since float64 is slow on most cards.
        const double rate = state[STATE_LEARNING_RATE] * rate_multiplier;
        scalars[0] = (float)(rate / (1 - power(beta1, (u64)updates)));
        scalars[1] = (float)sqrt(1 - power(beta2, (u64)updates));
        scalars[2] = (float)(1 - rate * weight_decay);
        scalars[3] = (float)state[STATE_CLIP_FACTOR];
    }
    __syncthreads();
    const adamw_t u = {scalars[2], scalars[3], (float)(1 - beta1), (float)beta2,
                       (float)(1 - beta2), scalars[0], scalars[1], (float)epsilon};
    const auto words = [&](u32 (&w)[4], i64 i) {
        w[0] = (u32)(i / 4);
        w[1] = (u32)((u64)i >> 34);
        w[2] = parameter_index;
        w[3] = (u32)(u64)updates;
        philox(w, seed);
    };
    const bool vectors = by_four(parameter) && by_four(gradient) && by_four(exp_avg) && by_four(exp_avg_sq)
        && (copy == nullptr || by_four(copy));
    each_element(count, vectors, [&](i64 i) {
        four p = get4(parameter, i), m = get4(exp_avg, i), v = get4(exp_avg_sq, i);
        const four g = get4(gradient, i);
        UNROLL
        for (int j = 0; j < 4; j++) p.v[j] = adamw_element(u, p.v[j], g.v[j], m.v[j], v.v[j]);
        set4(parameter, i, p);
        set4(exp_avg, i, m);
        set4(exp_avg_sq, i, v);
        if (copy == nullptr) return;
        if (!stochastic) {
            set4(copy, i, p);
            return;
        }
        u32 w[4];
        words(w, i);
        UNROLL
        for (int j = 0; j < 4; j++) copy[i + j] = round_stochastically(p.v[j], w[j]);
    }, [&](i64 i) {
        float m = exp_avg[i], v = exp_avg_sq[i];
        const float p = adamw_element(u, parameter[i], gradient[i], m, v);
        parameter[i] = p;
        exp_avg[i] = m;
        exp_avg_sq[i] = v;
        if (copy == nullptr) return;
        u32 w[4];
        if (stochastic) words(w, i);
        copy[i] = stochastic ? round_stochastically(p, i % 4 == 0 ? w[0] : i % 4 == 1 ? w[1] : i % 4 == 2 ? w[2] : w[3])
                             : to_bf16(p);
    });
}
