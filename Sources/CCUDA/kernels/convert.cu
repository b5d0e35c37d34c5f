// SPDX-License-Identifier: MIT
// float32 to bfloat16 (nearest, ties to even) and back.

KERNEL(256) convert_to_bf16(bf16 *out, const float *x, i64 count) {
    each_element(count, by_four(out) && by_four(x), [&](i64 i) { set4(out, i, get4(x, i)); },
                 [&](i64 i) { set(out, i, x[i]); });
}

KERNEL(256) convert_to_float(float *out, const bf16 *x, i64 count) {
    each_element(count, by_four(out) && by_four(x), [&](i64 i) { set4(out, i, get4(x, i)); },
                 [&](i64 i) { out[i] = get(x, i); });
}
