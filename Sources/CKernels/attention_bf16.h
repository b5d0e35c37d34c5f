// SPDX-License-Identifier: MIT
// Attention of bfloat16 by BF16 dot products (AVX-512 BF16); the functions are those of attention_simd.h.
#ifndef APUS_ATTENTION_BF16_H
#define APUS_ATTENTION_BF16_H

#include "attention.h"
#include "attention_scratch.h"

void apus_attention_bf16_forward_tile(const attention_args_t *args, head_t head, long t0, char *scratch);
void apus_attention_bf16_backward_queries(
    const attention_args_t *args, head_t head, long t0, char *scratch, const head_rows_t *rows, float *dk, float *dv);
void apus_attention_bf16_backward_keys(const attention_args_t *args, head_t head, long s0, char *scratch);
void apus_attention_bf16_backward_head(const attention_args_t *args, head_t head, char *scratch, float *workspace);

#endif
