// SPDX-License-Identifier: MIT
// Conversions and additions; see simd.h.
APUS_INLINE int FN(left)(long i, long end) { return end - i < W ? (int)(end - i) : W; }

static void FN(to_bf16)(void *out, const void *a, const void *b, long begin, long end) {
    (void)b;
    long i = begin;
    for (; i + W <= end; i += W) FN(store_bf16)((uint16_t *)out + i, vload((const float *)a + i), W);
    if (i < end) FN(store_bf16)((uint16_t *)out + i, FN(load)((const float *)a + i, FN(left)(i, end)), FN(left)(i, end));
}

static void FN(to_f32)(void *out, const void *a, const void *b, long begin, long end) {
    (void)b;
    long i = begin;
    for (; i + W <= end; i += W) vstore((float *)out + i, FN(load_bf16)((const uint16_t *)a + i, W));
    if (i < end) FN(store)((float *)out + i, FN(load_bf16)((const uint16_t *)a + i, FN(left)(i, end)), FN(left)(i, end));
}

static void FN(add_f32)(void *out, const void *a, const void *b, long begin, long end) {
    long i = begin;
    for (; i + W <= end; i += W) vstore((float *)out + i, vload((const float *)a + i) + vload((const float *)b + i));
    for (; i < end; i++) ((float *)out)[i] = ((const float *)a)[i] + ((const float *)b)[i];
}

static void FN(add_bf16)(void *out, const void *a, const void *b, long begin, long end) {
    long i = begin;
    for (; i + W <= end; i += W) {
        vstore((float *)out + i, vload((const float *)a + i) + FN(load_bf16)((const uint16_t *)b + i, W));
    }
    for (; i < end; i++) ((float *)out)[i] = ((const float *)a)[i] + apus_from_bf16(((const uint16_t *)b)[i]);
}
