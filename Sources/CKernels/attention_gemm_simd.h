// SPDX-License-Identifier: MIT
// The one small product that attention consists of, on tiles in cache; see simd.h.
//
// c[m][n] (+)= sum over k of a[m * a_row + k * a_step] * b[k * b_row + n]: elements of a are broadcast, rows of b and c are
// vectors, n is a multiple of W. One of a's two strides is 1: it is a matrix or its transpose. PRODUCT(a, b, c) is a b + c: of
// floats unless the including file says otherwise.
#ifndef PRODUCT
#define PRODUCT(a, b, c) vfma(a, b, c)
#endif
// 12 multiplications of 8 floats a step are few beside the loop's own instructions.
#define UNROLL (W == 8 ? 2 : 1)

typedef struct {
    const float *a;
    long a_row, a_step;
    const float *b;
    long b_row;
    float *c;
    long c_row;
} FN(product_t);

/// `rows` x `vectors` of c in registers; a_row or a_step is 1, known when compiled like the numbers.
APUS_INLINE void FN(micro)(
    const FN(product_t) * p, long m, long n, long k, int accumulate, const long a_row, const long a_step, const int rows,
    const int vectors) {
    vf sums[8][4];
    float *c = p->c + m * p->c_row + n;
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < vectors; j++) sums[i][j] = accumulate ? vload(c + i * p->c_row + j * W) : vset(0);
    }
    const float *b = p->b + n;
    const long b_row = p->b_row;
    // Every third row has a pointer: x86's addresses reach all of them without arithmetic.
    const float *a[3];
    for (int g = 0; 3 * g < rows; g++) a[g] = p->a + (m + 3 * g) * a_row;
#pragma clang loop unroll_count(UNROLL)
    for (long s = 0; s < k; s++) {
        vf right[4];
        for (int j = 0; j < vectors; j++) right[j] = vload(b + j * W);
        for (int i = 0; i < rows; i++) {
            const vf left = vset(a[i / 3][i % 3 * a_row]);
            for (int j = 0; j < vectors; j++) sums[i][j] = PRODUCT(left, right[j], sums[i][j]);
        }
        for (int g = 0; 3 * g < rows; g++) a[g] += a_step;
        b += b_row;
    }
    for (int i = 0; i < rows; i++) {
        for (int j = 0; j < vectors; j++) vstore(c + i * p->c_row + j * W, sums[i][j]);
    }
}

/// All rows of some vectors of c: as many rows at once as registers allow, then four, then one by one.
APUS_INLINE void FN(panel)(
    const FN(product_t) * p, long rows, long n, long k, int accumulate, const long a_row, const long a_step, const int step,
    const int vectors) {
    long m = 0;
    for (; m + step <= rows; m += step) FN(micro)(p, m, n, k, accumulate, a_row, a_step, step, vectors);
    if (step > 4 && m + 4 <= rows) {
        FN(micro)(p, m, n, k, accumulate, a_row, a_step, 4, vectors);
        m += 4;
    }
    for (; m < rows; m++) FN(micro)(p, m, n, k, accumulate, a_row, a_step, 1, vectors);
}

APUS_INLINE void FN(product_of)(
    const FN(product_t) * p, long rows, long columns, long k, int accumulate, const long a_row, const long a_step) {
    long n = 0;
#if W == 16
    for (; n + 4 * W <= columns; n += 4 * W) FN(panel)(p, rows, n, k, accumulate, a_row, a_step, 4, 4);
    if (n + 3 * W <= columns) {
        FN(panel)(p, rows, n, k, accumulate, a_row, a_step, 4, 3);
        n += 3 * W;
    }
#endif
    for (; n + 2 * W <= columns; n += 2 * W) FN(panel)(p, rows, n, k, accumulate, a_row, a_step, W == 16 ? 8 : 6, 2);
    if (n + W <= columns) FN(panel)(p, rows, n, k, accumulate, a_row, a_step, 8, 1);
}

static void FN(product)(FN(product_t) p, long rows, long columns, long k, int accumulate) {
    if (p.a_row == 1) {
        FN(product_of)(&p, rows, columns, k, accumulate, 1, p.a_step);
    } else {
        FN(product_of)(&p, rows, columns, k, accumulate, p.a_row, 1);
    }
}

#undef UNROLL
#undef PRODUCT
