// SPDX-License-Identifier: MIT
// The one small product that attention consists of, on tiles in cache; see simd.h.
//
// c[m][n] (+)= sum over k of a[m * a_row + k * a_step] * b[k * b_row + n]: elements of a are broadcast, rows of b and c are
// vectors, n is a multiple of W. a's two strides let it be a matrix or its transpose. PRODUCT(a, b, c) is a b + c: of
// floats unless the including file says otherwise.
#ifndef PRODUCT
#define PRODUCT(a, b, c) vfma(a, b, c)
#endif

typedef struct {
    const float *a;
    long a_row, a_step;
    const float *b;
    long b_row;
    float *c;
    long c_row;
} FN(product_t);

/// `rows` x `vectors` of c in registers; both known when compiled.
APUS_INLINE void FN(micro)(const FN(product_t) * p, long m, long n, long k, int accumulate, const int rows, const int vectors) {
    vf sums[8][4];
    float *c = p->c + m * p->c_row + n;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < vectors; j++) sums[i][j] = accumulate ? vload(c + i * p->c_row + j * W) : vset(0);
    }
    const float *a = p->a + m * p->a_row, *b = p->b + n;
    const long a_row = p->a_row, a_step = p->a_step, b_row = p->b_row;
    for (long s = 0; s < k; s++) {
        vf right[4];
        for (int j = 0; j < vectors; j++) right[j] = vload(b + j * W);
        for (int i = 0; i < rows; i++) {
            const vf left = vset(a[i * a_row]);
            for (int j = 0; j < vectors; j++) sums[i][j] = PRODUCT(left, right[j], sums[i][j]);
        }
        a += a_step;
        b += b_row;
    }
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < vectors; j++) vstore(c + i * p->c_row + j * W, sums[i][j]);
    }
}

/// All rows of some vectors of c: as many rows at once as registers allow, then one by one.
APUS_INLINE void FN(panel)(
    const FN(product_t) * p, long rows, long n, long k, int accumulate, const int step, const int vectors) {
    long m = 0;
    for (; m + step <= rows; m += step) FN(micro)(p, m, n, k, accumulate, step, vectors);
    for (; m < rows; m++) FN(micro)(p, m, n, k, accumulate, 1, vectors);
}

static void FN(product)(FN(product_t) p, long rows, long columns, long k, int accumulate) {
    long n = 0;
#if W == 16
    for (; n + 4 * W <= columns; n += 4 * W) FN(panel)(&p, rows, n, k, accumulate, 4, 4);
    if (n + 3 * W <= columns) {
        FN(panel)(&p, rows, n, k, accumulate, 4, 3);
        n += 3 * W;
    }
#endif
    for (; n + 2 * W <= columns; n += 2 * W) FN(panel)(&p, rows, n, k, accumulate, W == 16 ? 8 : 4, 2);
    if (n + W <= columns) FN(panel)(&p, rows, n, k, accumulate, 8, 1);
}

#undef PRODUCT
