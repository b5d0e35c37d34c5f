// SPDX-License-Identifier: MIT
// delta[b, h, t] = sum of dout * out over a head: what every score's gradient has subtracted. A warp a (b, h, t).

KERNEL(256) attention_delta(
    float *delta, heads_t dout, heads_t out, int batch, int heads, int query_length, int head_size) {
    const int lane = threadIdx.x % 32;
    const i64 row = (i64)blockIdx.x * 8 + threadIdx.x / 32;
    if (row >= (i64)batch * heads * query_length) return;
    const i64 t = row % query_length, h = row / query_length % heads, b = row / query_length / heads;
    const act *x = token<act>(dout, b, h, t), *y = token<act>(out, b, h, t);
    float sum = 0;
    for (int d = lane; d < head_size; d += 32) sum += get(x, d) * get(y, d);
    sum = warp_sum(sum);
    if (lane == 0) delta[row] = sum;
}
