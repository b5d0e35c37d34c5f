// SPDX-License-Identifier: MIT
// Philox4x32-10, as CKernels/philox.h and Compute/Philox.swift: a mask is a function of (seed, site, sample, element).
// Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, figure 4 and table 2.

/// Replaces the counter by its four random words.
DEVICE void philox(u32 (&c)[4], u64 key) {
    u32 k0 = (u32)key, k1 = (u32)(key >> 32);
    UNROLL
    for (int round = 0; round < 10; round++) {
        const u64 p0 = (u64)0xd2511f53u * c[0], p1 = (u64)0xcd9e8d57u * c[2];
        const u32 n0 = (u32)(p1 >> 32) ^ c[1] ^ k0, n2 = (u32)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = n0;
        c[1] = (u32)p1;
        c[2] = n2;
        c[3] = (u32)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
}

/// Global index of sample `within` of the micro-batch.
DEVICE u64 global_sample(const double *state, i64 within) {
    const double first = state[STATE_SAMPLE_INDEX];
    // Not a number and numbers below 0 count as 0: as the CPU clamps them.
    return (first > 0 ? (u64)fmin(first, 9007199254740992.0) : 0) + (u64)within;
}

/// Random words of the four elements that `element` is one of.
DEVICE void dropout_words(u32 (&words)[4], dropout_t dropout, u64 sample, u64 element) {
    words[0] = (u32)(element / 4);
    words[1] = dropout.site;
    words[2] = (u32)sample;
    words[3] = (u32)(sample >> 32);
    philox(words, dropout.seed);
}

/// Whether element `element` of a sample is kept.
DEVICE bool dropout_keeps(dropout_t dropout, u64 sample, u64 element) {
    u32 words[4];
    dropout_words(words, dropout, sample, element);
    // A select, since an index that is not a constant would put the words into memory.
    const u32 low = element % 2 ? words[1] : words[0], high = element % 2 ? words[3] : words[2];
    return (element % 4 < 2 ? low : high) >= dropout.threshold;
}
