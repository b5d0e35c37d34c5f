// SPDX-License-Identifier: MIT
#include "include/apus_classifier.h"

#include <math.h>

#include "classifier_rows.h"
#include "matmul_finish.h"

// Each lane sums for itself, so that the compiler may use vectors without reordering float additions; a lane's float32 sum
// is moved to float64 every BLOCK elements, so that its error does not grow with the vocabulary.
enum { LANES = 16, BLOCK = 64 * LANES };

APUS_INLINE float row_maximum(const float *x, long count) {
    float lanes[LANES];
    for (int l = 0; l < LANES; l++) lanes[l] = -INFINITY;
    long j = 0;
    for (; j + LANES <= count; j += LANES) {
        for (int l = 0; l < LANES; l++) lanes[l] = x[j + l] > lanes[l] ? x[j + l] : lanes[l];
    }
    float most = -INFINITY;
    for (int l = 0; l < LANES; l++) most = lanes[l] > most ? lanes[l] : most;
    for (; j < count; j++) most = x[j] > most ? x[j] : most;
    return most;
}

/// Sum of e^(x - most); with `keep` each x is replaced by its e^(x - most). NaN in x gives NaN.
APUS_INLINE double row_sum(float *x, long count, float most, const int keep) {
    double total = 0;
    for (long j0 = 0; j0 < count; j0 += BLOCK) {
        const long end = j0 + BLOCK < count ? j0 + BLOCK : count;
        float lanes[LANES] = {0};
        long j = j0;
        for (; j + LANES <= end; j += LANES) {
            for (int l = 0; l < LANES; l++) {
                const float e = apus_exp(x[j + l] - most);
                lanes[l] += e;
                if (keep) x[j + l] = e;
            }
        }
        for (; j < end; j++) {
            const float e = apus_exp(x[j] - most);
            lanes[0] += e;
            if (keep) x[j] = e;
        }
        for (int l = 0; l < LANES; l++) total += (double)lanes[l];
    }
    return total;
}

/// Multiplies by `factor` and stores in the gradient's dtype over the same memory, from its start on.
APUS_INLINE void row_scale(float *x, long count, float factor, apus_dtype_t dtype) {
    if (dtype == APUS_F32) {
        for (long j = 0; j < count; j++) x[j] *= factor;
        return;
    }
    // Element j is written at or before where it was read; a block is read whole before it is written.
    enum { PIECE = 64 };
    char *out = (char *)x;
    for (long j = 0; j < count; j += PIECE) {
        const long n = count - j < PIECE ? count - j : PIECE;
        uint16_t narrow[PIECE];
        if (n == PIECE) {
            for (long l = 0; l < PIECE; l++) narrow[l] = apus_round_bf16(x[j + l] * factor);
        } else {
            for (long l = 0; l < n; l++) narrow[l] = apus_round_bf16(x[j + l] * factor);
        }
        memcpy(out + 2 * j, narrow, (size_t)n * 2);
    }
}

APUS_INLINE float do_row(const apus_classifier_row_t *row) {
    float *x = row->logits;
    if (row->target < 0) {
        if (row->gradient) memset(x, 0, (size_t)row->count * (size_t)apus_size(row->dtype));
        return 0;
    }
    const float most = row_maximum(x, row->count), wanted = x[row->target];
    if (!row->gradient) return (float)(log(row_sum(x, row->count, most, 0)) + (double)most - (double)wanted);
    const double sum = row_sum(x, row->count, most, 1);
    const float probability = (float)((double)x[row->target] / sum);
    row_scale(x, row->count, (float)((double)row->scale / sum), row->dtype);
    apus_set(x, row->dtype, row->target, row->scale * (probability - 1));
    return (float)(log(sum) + (double)most - (double)wanted);
}

static float row_portable(const apus_classifier_row_t *row) { return do_row(row); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float row_avx2(const apus_classifier_row_t *row) { return do_row(row); }

__attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl"))) static float row_avx512(
    const apus_classifier_row_t *row) {
    return do_row(row);
}
#endif

apus_classifier_row_function_t apus_classifier_row_of(apus_isa_t isa) {
#if defined(__x86_64__)
    switch (isa) {
        case APUS_ISA_AVX2: return row_avx2;
        case APUS_ISA_AVX512:
        case APUS_ISA_AVX512_BF16:
        case APUS_ISA_AMX: return row_avx512;
        default: break;
    }
#else
    (void)isa;
#endif
    return row_portable;
}
