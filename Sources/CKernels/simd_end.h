// SPDX-License-Identifier: MIT
// Ends what simd_avx2.h or simd_avx512.h began.
#pragma clang attribute pop
#undef FN
#undef W
#undef vf
#undef vset
#undef vfma
#undef vfnma
#undef vfms
#undef vmax
#undef vmin
#undef vsqrt
#undef vload
#undef vstore
