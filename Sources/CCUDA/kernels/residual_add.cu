// SPDX-License-Identifier: MIT
// out = a + b, out and a float32 (out may be a), b act.

KERNEL(256) residual_add(float *out, const float *a, const act *b, i64 count) {
    each_element(count, by_four(out) && by_four(a) && by_four(b), [&](i64 i) {
        four f = get4(a, i);
        const four g = get4(b, i);
        for (int j = 0; j < 4; j++) f.v[j] += g.v[j];
        set4(out, i, f);
    }, [&](i64 i) { out[i] = a[i] + get(b, i); });
}
