// SPDX-License-Identifier: MIT
// out = (x - mean) * rstd * weight + bias over rows of a float32 [R, C]; a warp a row, two passes over x (the second from
// cache), since squares about the mean lose nothing where the mean is large.

KERNEL(256) layernorm_forward(
    act *out, float *mean, float *rstd, const float *x, const float *weight, const float *bias, int rows, int width) {
    const int lane = threadIdx.x % 32, row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) return;
    const float *from = x + (i64)row * width;
    act *to = out + (i64)row * width;
    const bool vectors = by_four(x) && by_four(out) && by_four(weight) && (bias == nullptr || by_four(bias));
    const int whole = width % 4 == 0 && vectors ? width : 0;

    float sum = 0;
    for (int c = 4 * lane; c < whole; c += 128) {
        const four f = get4(from, c);
        sum += (f.v[0] + f.v[1]) + (f.v[2] + f.v[3]);
    }
    for (int c = whole + lane; c < width; c += 32) sum += from[c];
    const float m = warp_sum(sum) / width;

    float squares = 0;
    for (int c = 4 * lane; c < whole; c += 128) {
        const four f = get4(from, c);
        UNROLL
        for (int i = 0; i < 4; i++) squares += (f.v[i] - m) * (f.v[i] - m);
    }
    for (int c = whole + lane; c < width; c += 32) squares += (from[c] - m) * (from[c] - m);
    const float r = 1 / sqrtf(warp_sum(squares) / width + 1e-5f);

    for (int c = 4 * lane; c < whole; c += 128) {
        const four f = get4(from, c), w = get4(weight, c);
        const four b = bias != nullptr ? get4(bias, c) : four{{0, 0, 0, 0}};
        four y;
        UNROLL
        for (int i = 0; i < 4; i++) y.v[i] = (f.v[i] - m) * r * w.v[i] + b.v[i];
        set4(to, c, y);
    }
    for (int c = whole + lane; c < width; c += 32) {
        set(to, c, (from[c] - m) * r * weight[c] + (bias != nullptr ? bias[c] : 0));
    }
    if (lane == 0) {
        mean[row] = m;
        rstd[row] = r;
    }
}
