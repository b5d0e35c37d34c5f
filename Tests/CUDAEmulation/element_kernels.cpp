// SPDX-License-Identifier: MIT
// All kernels but those of training's attention, for both dtypes of `act`: the files themselves, compiled for the CPU in a namespace each.
#include "table.h"

#define ELEMENT_KERNELS \
    ENTRY(layernorm_forward, 256) ENTRY(layernorm_backward, 256) ENTRY(column_partial, 256) ENTRY(activation_forward, 256) \
    ENTRY(activation_backward, 256) ENTRY(bias_activation, 256) ENTRY(bias_add, 256) ENTRY(dropout, 256) \
    ENTRY(residual_add, 256) ENTRY(copy_heads, 256) ENTRY(attention_delta, 256) ENTRY(classifier_rows, 512) \
    ENTRY(attention_decode, 512)

namespace act_float32 {
#define ACT_BF16 0
#include "element_kernels.h"
#undef ACT_BF16
}  // namespace act_float32

namespace act_bfloat16 {
#define ACT_BF16 1
#include "element_kernels.h"
#undef ACT_BF16
}  // namespace act_bfloat16

std::vector<apus_emulated_entry> emulated::element_kernels() {
    std::vector<apus_emulated_entry> table;
#define ENTRY(name, threads) \
    table.push_back(entry<&act_float32::name>(#name, 0, ANY_HEAD, threads)); \
    table.push_back(entry<&act_bfloat16::name>(#name, 1, ANY_HEAD, threads));
    ELEMENT_KERNELS
#undef ENTRY
#define ENTRY(name, threads) table.push_back(entry<&act_float32::name>(#name, ANY_ACT, ANY_HEAD, threads));
    ENTRY(embedding_forward, 256)
    ENTRY(embedding_backward, 256)
    ENTRY(choose_tokens, 512)
    ENTRY(advance_decoding, 256)
    ENTRY(column_combine, 256)
    ENTRY(convert_to_bf16, 256)
    ENTRY(convert_to_float, 256)
    ENTRY(classifier_rows_bf16, 512)
    ENTRY(write_scalar, 1)
    ENTRY(accumulate_loss, 256)
    ENTRY(global_norm_partial, 256)
    ENTRY(global_norm_finish, 256)
    ENTRY(begin_update, 1)
    ENTRY(adamw_update, 256)
#undef ENTRY
    return table;
}
