// SPDX-License-Identifier: MIT
// LayerNorm on vectors; see simd.h. A row is read two or three times, from the first-level cache after the first.
APUS_INLINE vf FN(any)(const void *p, apus_dtype_t dtype, long i, int n) {
    return dtype == APUS_F32 ? FN(load)((const float *)p + i, n) : FN(load_bf16)((const uint16_t *)p + i, n);
}

APUS_INLINE void FN(put)(void *p, apus_dtype_t dtype, long i, vf v, int n) {
    if (dtype == APUS_F32) {
        FN(store)((float *)p + i, v, n);
    } else {
        FN(store_bf16)((uint16_t *)p + i, v, n);
    }
}

/// Sum of x, or of (x - mean)^2, in four vectors, so that additions do not wait for one another.
APUS_INLINE float FN(row_sum)(const float *x, long width, int squares, float mean) {
    vf sums[4] = {vset(0), vset(0), vset(0), vset(0)};
    const vf m = vset(mean);
    long c = 0;
    for (; c + 4 * W <= width; c += 4 * W) {
        for (int j = 0; j < 4; j++) {
            const vf d = vload(x + c + j * W) - m;
            sums[j] = squares ? vfma(d, d, sums[j]) : sums[j] + d;
        }
    }
    for (; c + W <= width; c += W) {
        const vf d = vload(x + c) - m;
        sums[0] = squares ? vfma(d, d, sums[0]) : sums[0] + d;
    }
    float sum = FN(sum)((sums[0] + sums[1]) + (sums[2] + sums[3]));
    for (; c < width; c++) sum += squares ? (x[c] - mean) * (x[c] - mean) : x[c] - mean;
    return sum;
}

APUS_INLINE void FN(forward_as)(const forward_t *args, apus_dtype_t dtype, long begin, long end) {
    const long width = args->width;
    for (long r = begin; r < end; r++) {
        const float *x = args->x + r * width;
        const float mean = FN(row_sum)(x, width, 0, 0) / (float)width;
        const float rstd = 1 / sqrtf(FN(row_sum)(x, width, 1, mean) / (float)width + EPSILON);
        args->mean[r] = mean;
        args->rstd[r] = rstd;
        for (long c = 0; c < width; c += W) {
            const int n = width - c < W ? (int)(width - c) : W;
            const vf norm = (FN(load)(x + c, n) - vset(mean)) * vset(rstd);
            const vf bias = args->bias != NULL ? FN(load)(args->bias + c, n) : vset(0);
            FN(put)(args->out, dtype, r * width + c, vfma(norm, FN(load)(args->weight + c, n), bias), n);
        }
    }
}

static void FN(forward)(const void *context, long begin, long end) {
    const forward_t *args = context;
    if (args->dtype == APUS_F32) {
        FN(forward_as)(args, APUS_F32, begin, end);
    } else {
        FN(forward_as)(args, APUS_BF16, begin, end);
    }
}

/// What one row's gradient takes from sums over the row.
typedef struct {
    float mean, rstd, mean_g, mean_gn;
} FN(row_t);

/// Sums of g = dout * weight and of g * norm, and the row's part of dweight and dbias.
APUS_INLINE FN(row_t) FN(row_sums)(const backward_t *args, apus_dtype_t dtype, long r, float *dweight, float *dbias) {
    const long width = args->width;
    const float mean = args->mean[r], rstd = args->rstd[r];
    vf sum = vset(0), product = vset(0);
    for (long c = 0; c < width; c += W) {
        const int n = width - c < W ? (int)(width - c) : W;
        const vf dout = FN(any)(args->dout, dtype, r * width + c, n);
        const vf norm = (FN(load)(args->x + r * width + c, n) - vset(mean)) * vset(rstd);
        const vf g = dout * FN(load)(args->weight + c, n);
        sum += g;
        product = vfma(g, norm, product);
        FN(store)(dweight + c, vfma(dout, norm, FN(load)(dweight + c, n)), n);
        FN(store)(dbias + c, FN(load)(dbias + c, n) + dout, n);
    }
    return (FN(row_t)){mean, rstd, FN(sum)(sum) / (float)width, FN(sum)(product) / (float)width};
}

APUS_INLINE void FN(backward_as)(
    const backward_t *args, apus_dtype_t dtype, long begin, long end, float *dweight, float *dbias) {
    const long width = args->width;
    for (long r = begin; r < end; r++) {
        const FN(row_t) row = FN(row_sums)(args, dtype, r, dweight, dbias);
        for (long c = 0; c < width; c += W) {
            const int n = width - c < W ? (int)(width - c) : W;
            const vf norm = (FN(load)(args->x + r * width + c, n) - vset(row.mean)) * vset(row.rstd);
            const vf g = FN(any)(args->dout, dtype, r * width + c, n) * FN(load)(args->weight + c, n);
            const vf centred = vfnma(norm, vset(row.mean_gn), g - vset(row.mean_g));
            float *dx = args->dx + r * width + c;
            FN(store)(dx, vfma(centred, vset(row.rstd), FN(load)(dx, n)), n);
        }
    }
}

static void FN(backward)(const void *context, long begin, long end, float *dweight, float *dbias) {
    const backward_t *args = context;
    if (args->dtype == APUS_F32) {
        FN(backward_as)(args, APUS_F32, begin, end, dweight, dbias);
    } else {
        FN(backward_as)(args, APUS_BF16, begin, end, dweight, dbias);
    }
}
