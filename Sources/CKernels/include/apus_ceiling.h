// SPDX-License-Identifier: MIT
// What this machine can do at most: the denominators of `apus bench`.
#ifndef APUS_CEILING_H
#define APUS_CEILING_H

#include "apus_isa.h"
#include "apus_pool.h"

/// FLOP/s of float32 fused multiply-adds between registers, all threads of the pool together, measured for about that
/// many seconds. Portable: what the compiler makes of plain C.
double apus_ceiling_fma(apus_pool_t *pool, apus_isa_t isa, double seconds);

/// FLOP/s of bfloat16 dot products between registers: vdpbf16ps, or tiles with AMX. 0 where the instruction set has none.
double apus_ceiling_bf16(apus_pool_t *pool, apus_isa_t isa, double seconds);

/// Bytes/s read from `bytes` bytes at `memory`, all threads together, each its own share, again and again. Take much more
/// than the last-level cache for main memory.
double apus_ceiling_read(apus_pool_t *pool, apus_isa_t isa, const void *memory, long bytes, double seconds);

#endif
