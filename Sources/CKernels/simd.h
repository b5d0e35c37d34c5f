// SPDX-License-Identifier: MIT
// How one text of a kernel becomes one function for each instruction set.
//
// A kernel's plain C version is named name_portable. Its vector version is written once, in a file *_simd.h, with the
// names of simd_avx2.h (8 floats) or simd_avx512.h (16 floats); simd_each.h includes that file once for each of them, with
// the compiler's target attribute set, as name_avx2 and name_avx512. APUS_SELECT takes the one for an instruction set.
#ifndef APUS_SIMD_H
#define APUS_SIMD_H

#include <stdint.h>
#include <string.h>

#include "apus_isa.h"
#include "bfloat16.h"
#include "lane_sums.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define APUS_SELECT(isa, name) \
    ((isa) >= APUS_ISA_AVX512 ? name##_avx512 : (isa) == APUS_ISA_AVX2 ? name##_avx2 : name##_portable)
#else
#define APUS_SELECT(isa, name) ((void)(isa), name##_portable)
#endif

#define APUS_INLINE static inline __attribute__((always_inline))

#endif
