// SPDX-License-Identifier: MIT
#define _GNU_SOURCE  // syscall
#include "apus_isa.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/// Linux gives a process the large tile state only when it asks (Documentation/arch/x86/xstate.rst).
static int permit_tiles(void) {
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}

static apus_isa_t detect(void) {
    unsigned a, b, c, d, c1;
    if (!__get_cpuid(1, &a, &b, &c1, &d)) return APUS_ISA_PORTABLE;
    const unsigned osxsave = 1u << 27, fma = 1u << 12;
    if (!(c1 & osxsave) || !(c1 & fma)) return APUS_ISA_PORTABLE;
    const uint64_t state = xcr0();
    if ((state & 0x6) != 0x6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return APUS_ISA_PORTABLE;
    if (!(b & (1u << 5))) return APUS_ISA_PORTABLE;
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    if ((state & 0xe6) != 0xe6 || (b & (f | dq | bw | vl)) != (f | dq | bw | vl)) return APUS_ISA_AVX2;
    const unsigned amx = (1u << 22) | (1u << 24);  // AMX-BF16, AMX-TILE in EDX of leaf 7.0
    const int tiles = (d & amx) == amx && (state & 0x60000) == 0x60000;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || !(a & (1u << 5))) return APUS_ISA_AVX512;
    return tiles && permit_tiles() ? APUS_ISA_AMX : APUS_ISA_AVX512_BF16;
}
#else
static apus_isa_t detect(void) { return APUS_ISA_PORTABLE; }
#endif

apus_isa_t apus_isa_best(void) {
    static int best = -1;  // the same value whoever computes it, so a race is harmless
    int isa = __atomic_load_n(&best, __ATOMIC_RELAXED);
    if (isa < 0) __atomic_store_n(&best, isa = (int)detect(), __ATOMIC_RELAXED);
    return (apus_isa_t)isa;
}

const char *apus_isa_name(apus_isa_t isa) {
    static const char *const names[] = {"portable", "avx2", "avx512", "avx512-bf16", "amx"};
    return isa >= APUS_ISA_PORTABLE && isa <= APUS_ISA_AMX ? names[isa] : "unknown";
}

void apus_cpu_name(char *name, int capacity) {
    if (capacity <= 0) return;
    char text[49] = "unknown CPU";
#if defined(__x86_64__)
    unsigned r[12], top = __get_cpuid_max(0x80000000u, 0);
    if (top >= 0x80000004u) {
        for (unsigned i = 0; i < 3; i++) __get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2], &r[4 * i + 3]);
        memcpy(text, r, 48);
        text[48] = 0;
    }
#endif
    const char *start = text;
    while (*start == ' ') start++;
    int n = 0;
    for (; start[n] != 0 && n < capacity - 1; n++) name[n] = start[n];
    while (n > 0 && name[n - 1] == ' ') n--;
    name[n] = 0;
}
