// SPDX-License-Identifier: MIT
// Which instructions the kernels may use. Every kernel takes it as an argument, so that tests can run each path.
#ifndef APUS_ISA_H
#define APUS_ISA_H

typedef enum {
    APUS_ISA_PORTABLE = 0,     ///< plain C: the reference
    APUS_ISA_AVX2 = 1,         ///< AVX2 and FMA
    APUS_ISA_AVX512 = 2,       ///< AVX-512 F, BW, DQ, VL
    APUS_ISA_AVX512_BF16 = 3,  ///< the same and AVX-512 BF16
    APUS_ISA_AMX = 4,          ///< the same and AMX-TILE, AMX-BF16, with the kernel's permission to use tiles
} apus_isa_t;

/// The best this CPU and operating system allow (CPUID, XCR0, arch_prctl for AMX). Cheap after the first call.
apus_isa_t apus_isa_best(void);

/// "portable", "avx2", "avx512", "avx512-bf16", "amx".
const char *apus_isa_name(apus_isa_t isa);

/// The CPU's own name into a buffer, as CPUID gives it ("AMD EPYC 9B45"); "unknown CPU" where it gives none.
void apus_cpu_name(char *name, int capacity);

#endif
