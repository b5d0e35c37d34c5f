// SPDX-License-Identifier: MIT
// out[r] = wte[tokens[r]] + wpe[positions[r]], float32; a warp a row.

KERNEL(256) embedding_forward(
    float *out, const int *tokens, const int *positions, const float *wte, const float *wpe, int rows, int width) {
    const int lane = threadIdx.x % 32, row = blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= rows) return;
    const float *a = wte + (i64)tokens[row] * width, *b = wpe + (i64)positions[row] * width;
    float *to = out + (i64)row * width;
    const int whole = width % 4 == 0 && by_four(wte) && by_four(wpe) && by_four(out) ? width : 0;
    for (int c = 4 * lane; c < whole; c += 128) {
        const four x = get4(a, c), y = get4(b, c);
        set4(to, c, {{x.v[0] + y.v[0], x.v[1] + y.v[1], x.v[2] + y.v[2], x.v[3] + y.v[3]}});
    }
    for (int c = whole + lane; c < width; c += 32) to[c] = a[c] + b[c];
}
