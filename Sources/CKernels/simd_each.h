// SPDX-License-Identifier: MIT
// Includes the file APUS_TEMPLATE once for each vector width. Meant to be included more than once.
#if defined(__x86_64__)
#include "simd_avx2.h"
#include APUS_TEMPLATE
#include "simd_end.h"

#include "simd_avx512.h"
#include APUS_TEMPLATE
#include "simd_end.h"
#endif
#undef APUS_TEMPLATE
