// SPDX-License-Identifier: MIT
// The layouts of the tensor-core primitives, written down a second time in another way: as the strides that NVIDIA's CuTe gives
// for them (cute/atom/mma_traits_sm80.hpp, MMA_Traits<SM80_16x8x16_F16F16F16F16_TN>, which the bfloat16 form shares, and
// copy_traits_sm75.hpp, Copy_Traits<SM75_U32x4_LDSM_N> and <SM75_U16x8_LDSM_T>). Emulation and kernels share one reading of the
// documentation; these kernels show that it is CuTe's as well.
#include "table.h"

namespace probe {
#include "../../Sources/CCUDA/kernels/prelude.cu"

/// c[m + 16 n] = sum over k of a[m + 16 k] b[n + 8 k], by one warp.
KERNEL(32) probe_mma(float *c, const bf16 *a, const bf16 *b) {
    const int t = threadIdx.x % 4, g = threadIdx.x / 4;
    u32 a_words[4], b_words[2];
    for (int v = 0; v < 8; v += 2) {
        const int at = 32 * t + g + v / 2 % 2 * 8 + v / 4 * 128;
        a_words[v / 2] = a[at].bits | (u32)a[at + 16].bits << 16;
    }
    for (int v = 0; v < 4; v += 2) {
        const int at = 16 * t + g + v / 2 * 64;
        b_words[v / 2] = b[at].bits | (u32)b[at + 8].bits << 16;
    }
    float sums[4] = {};
    mma(sums, a_words, b_words[0], b_words[1]);
    for (int v = 0; v < 4; v++) c[32 * t + g + v % 2 * 16 + v / 2 * 8] = sums[v];
}

/// Four 8 x 8 matrices, row r of matrix i being elements 64 i + 8 r and on: expected[8 lane + v] is what a
/// lane's value v is by CuTe's strides, which count bits, and got[8 lane + v] what it is.
KERNEL(32) probe_matrices(int *expected, int *got, const bf16 *x, int transposed) {
    const shared<bf16> tile = DYNAMIC_SHARED(bf16);
    const int lane = threadIdx.x, t = lane % 4, g = lane / 4;
    for (int i = 0; i < 8; i++) tile[8 * lane + i] = (bf16)x[8 * lane + i];
    __syncthreads();
    u32 words[4];
    if (transposed) load_matrices_transposed(words, tile + 8 * lane);
    else load_matrices(words, tile + 8 * lane);
    for (int v = 0; v < 8; v++) {
        const int bit = transposed ? 256 * t + 16 * g + 128 * (v % 2) + 1024 * (v / 2)
                                   : 32 * lane + 16 * (v % 2) + 1024 * (v / 2);
        expected[8 * lane + v] = x[bit / 16].bits;
        got[8 * lane + v] = (int)(v % 2 == 0 ? words[v / 2] & 0xffff : words[v / 2] >> 16);
    }
}
}  // namespace probe

std::vector<apus_emulated_entry> emulated::probe_kernels() {
    return {entry<&probe::probe_mma>("probe_mma", ANY_ACT, ANY_HEAD, 32),
            entry<&probe::probe_matrices>("probe_matrices", ANY_ACT, ANY_HEAD, 32)};
}
