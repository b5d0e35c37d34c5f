// SPDX-License-Identifier: MIT
// Measured ceilings: loops that do nothing but the instruction in question, with enough independent sums to fill the
// pipelines (latency 4 to 6 cycles, two a cycle: 12 sums suffice).
#define _POSIX_C_SOURCE 199309L  // clock_gettime
#include "include/apus_ceiling.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { SUMS = 12, ROUNDS = 20000 };

/// Does ROUNDS rounds and gives their FLOP count. `sink` keeps the sums alive.
typedef double (*burst_t)(float *sink);

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double burst_portable(float *sink) {
    enum { LANES = 48 };
    float sums[LANES], x = 1 + *sink, y = 0.5f;
    for (int l = 0; l < LANES; l++) sums[l] = (float)l;
    for (int i = 0; i < ROUNDS; i++) {
        for (int l = 0; l < LANES; l++) sums[l] = sums[l] * x + y;
    }
    for (int l = 0; l < LANES; l++) *sink += sums[l] * 1e-30f;
    return 2.0 * LANES * ROUNDS;
}

#if defined(__x86_64__)
// The empty asm makes each round's sums "used", so that rounds are neither merged nor moved.
#define APUS_DEFINE_BURST(NAME, TARGET, VECTOR, START, STEP, FLOPS)                \
    __attribute__((target(TARGET))) static double NAME(float *sink) {              \
        VECTOR sums[SUMS];                                                         \
        for (int s = 0; s < SUMS; s++) sums[s] = START((float)s);                  \
        const VECTOR x = START(1.0f + *sink), y = START(0.5f);                     \
        for (int i = 0; i < ROUNDS; i++) {                                         \
            _Pragma("clang loop unroll(full)") for (int s = 0; s < SUMS; s++) {    \
                sums[s] = STEP(sums[s], x, y);                                     \
                __asm__ volatile("" : "+v"(sums[s]));                              \
            }                                                                      \
        }                                                                          \
        for (int s = 0; s < SUMS; s++) *sink += sums[s][0] * 1e-30f;               \
        return (double)(FLOPS) * SUMS * ROUNDS;                                    \
    }

#define APUS_STEP_256(acc, x, y) _mm256_fmadd_ps(x, y, acc)
#define APUS_STEP_512(acc, x, y) _mm512_fmadd_ps(x, y, acc)
#define APUS_STEP_BF16(acc, x, y) _mm512_dpbf16_ps(acc, (__m512bh)(x), (__m512bh)(y))
APUS_DEFINE_BURST(burst_avx2, "avx2,fma", __m256, _mm256_set1_ps, APUS_STEP_256, 2 * 8)
APUS_DEFINE_BURST(burst_avx512, "avx512f", __m512, _mm512_set1_ps, APUS_STEP_512, 2 * 16)
APUS_DEFINE_BURST(burst_bf16, "avx512f,avx512bf16", __m512, _mm512_set1_ps, APUS_STEP_BF16, 2 * 32)

/// Four sums of tiles from two and two operands, as the kernel does; the configuration is this thread's alone.
__attribute__((target("amx-tile,amx-bf16"))) static double burst_amx(float *sink) {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = 64;
        config.rows[t] = 16;
    }
    _Alignas(64) uint16_t ones[16 * 32];
    for (int i = 0; i < 16 * 32; i++) ones[i] = 0x3f80;
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, ones, 64);
    _tile_loadd(5, ones, 64);
    _tile_loadd(6, ones, 64);
    _tile_loadd(7, ones, 64);
    for (int i = 0; i < ROUNDS / 4; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _Alignas(64) float out[16 * 16];
    _tile_stored(0, out, 64);
    _tile_release();
    *sink += out[0] * 1e-30f;
    return 2.0 * 16 * 16 * 32 * 4 * (ROUNDS / 4);
}
#endif

typedef struct {
    burst_t burst;  // NULL: read memory
    const char *memory;
    long bytes;
    double seconds;
    double *rates;  // one a thread
} measurement_t;

/// Reads all of it and gives the number of bytes.
static double read_all(const char *memory, long bytes, float *sink) {
    enum { WORDS = 32 };
    uint64_t sums[WORDS] = {0};
    long at = 0;
    for (; at + WORDS * 8 <= bytes; at += WORDS * 8) {
        uint64_t words[WORDS];
        memcpy(words, memory + at, sizeof words);
        for (int w = 0; w < WORDS; w++) sums[w] ^= words[w];
    }
    uint64_t all = 0;
    for (int w = 0; w < WORDS; w++) all ^= sums[w];
    *sink += (float)(all & 1) * 1e-30f;
    return (double)at;
}

static void measure(void *context, int thread, int threads) {
    const measurement_t *m = context;
    long begin, end;
    apus_share(m->bytes, 4096, thread, threads, &begin, &end);
    float sink = 1e-30f;
    double work = 0, start = seconds_now(), now = start;
    while (now - start < m->seconds) {
        const double done = m->burst != NULL ? m->burst(&sink) : read_all(m->memory + begin, end - begin, &sink);
        if (done == 0) break;
        work += done;
        now = seconds_now();
    }
    // The sink is part of the result, far below its precision, so that no work can be left out.
    m->rates[thread] = now > start ? work / (now - start) + (double)sink * 1e-30 : 0;
}

static double run(apus_pool_t *pool, measurement_t m) {
    const int threads = apus_pool_threads(pool);
    m.rates = calloc((size_t)threads, sizeof(double));
    if (m.rates == NULL) return 0;
    apus_pool_run(pool, measure, &m);
    double sum = 0;
    for (int t = 0; t < threads; t++) sum += m.rates[t];
    free(m.rates);
    return sum;
}

double apus_ceiling_fma(apus_pool_t *pool, apus_isa_t isa, double seconds) {
    burst_t burst = burst_portable;
#if defined(__x86_64__)
    if (isa == APUS_ISA_AVX2) burst = burst_avx2;
    if (isa >= APUS_ISA_AVX512 && isa <= APUS_ISA_AMX) burst = burst_avx512;
#else
    (void)isa;
#endif
    return run(pool, (measurement_t){.burst = burst, .seconds = seconds});
}

double apus_ceiling_bf16(apus_pool_t *pool, apus_isa_t isa, double seconds) {
#if defined(__x86_64__)
    if (isa == APUS_ISA_AVX512_BF16) return run(pool, (measurement_t){.burst = burst_bf16, .seconds = seconds});
    if (isa == APUS_ISA_AMX) return run(pool, (measurement_t){.burst = burst_amx, .seconds = seconds});
#else
    (void)pool, (void)isa, (void)seconds;
#endif
    return 0;
}

double apus_ceiling_read(apus_pool_t *pool, apus_isa_t isa, const void *memory, long bytes, double seconds) {
    (void)isa;  // plain loads reach the memory's rate on every instruction set
    return run(pool, (measurement_t){.memory = memory, .bytes = bytes, .seconds = seconds});
}
