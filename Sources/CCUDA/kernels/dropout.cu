// SPDX-License-Identifier: MIT
// x = x * mask / (1 - p) in place; element e of a sample of `sample_size` elements follows from Philox, four at a time.

KERNEL(256) dropout(act *x, i64 count, i64 sample_size, dropout_t dropout, const double *state) {
    if (dropout.threshold == 0) return;
    const i64 groups = (sample_size + 3) / 4, total = count / sample_size * groups;
    const i64 first = (i64)blockIdx.x * blockDim.x + threadIdx.x, stride = (i64)gridDim.x * blockDim.x;
    // Read once: arithmetic in float64 takes sixteen cycles a warp on most cards.
    const u64 first_sample = global_sample(state, 0);
    const bool vectors = sample_size % 4 == 0 && by_four(x);
    for (i64 g = first; g < total; g += stride) {
        const i64 sample = divide(g, groups), element = (g - sample * groups) * 4, at = sample * sample_size + element;
        u32 words[4];
        dropout_words(words, dropout, first_sample + (u64)sample, (u64)element);
        if (vectors) {
            four f = get4(x, at);
            UNROLL
            for (int j = 0; j < 4; j++) f.v[j] = words[j] >= dropout.threshold ? f.v[j] * dropout.scale : 0;
            set4(x, at, f);
            continue;
        }
        UNROLL
        for (int j = 0; j < 4; j++) {
            if (element + j < sample_size) {
                set(x, at + j, words[j] >= dropout.threshold ? get(x, at + j) * dropout.scale : 0);
            }
        }
    }
}
