// SPDX-License-Identifier: MIT
#include "apus_cuda_kernels.h"

#include <string.h>

// The path of an #embed cannot be made by a macro, so each file is named here and below.
static const char activation_text[] = {
#embed "kernels/activation.cu"
};
static const char adamw_update_text[] = {
#embed "kernels/adamw_update.cu"
};
static const char attention_backward_fast_text[] = {
#embed "kernels/attention_backward_fast.cu"
};
static const char attention_backward_keys_text[] = {
#embed "kernels/attention_backward_keys.cu"
};
static const char attention_backward_queries_text[] = {
#embed "kernels/attention_backward_queries.cu"
};
static const char attention_decode_text[] = {
#embed "kernels/attention_decode.cu"
};
static const char attention_delta_text[] = {
#embed "kernels/attention_delta.cu"
};
static const char attention_forward_text[] = {
#embed "kernels/attention_forward.cu"
};
static const char attention_rows_backward_text[] = {
#embed "kernels/attention_rows_backward.cu"
};
static const char attention_rows_forward_text[] = {
#embed "kernels/attention_rows_forward.cu"
};
static const char attention_tiles_text[] = {
#embed "kernels/attention_tiles.cu"
};
static const char choose_tokens_text[] = {
#embed "kernels/choose_tokens.cu"
};
static const char classifier_rows_text[] = {
#embed "kernels/classifier_rows.cu"
};
static const char column_sums_text[] = {
#embed "kernels/column_sums.cu"
};
static const char convert_text[] = {
#embed "kernels/convert.cu"
};
static const char copy_heads_text[] = {
#embed "kernels/copy_heads.cu"
};
static const char dropout_text[] = {
#embed "kernels/dropout.cu"
};
static const char embedding_backward_text[] = {
#embed "kernels/embedding_backward.cu"
};
static const char embedding_forward_text[] = {
#embed "kernels/embedding_forward.cu"
};
static const char layernorm_backward_text[] = {
#embed "kernels/layernorm_backward.cu"
};
static const char layernorm_forward_text[] = {
#embed "kernels/layernorm_forward.cu"
};
static const char philox_text[] = {
#embed "kernels/philox.cu"
};
static const char prelude_text[] = {
#embed "kernels/prelude.cu"
};
static const char residual_add_text[] = {
#embed "kernels/residual_add.cu"
};
static const char step_state_text[] = {
#embed "kernels/step_state.cu"
};

#define FILE(name) {#name, name##_text, sizeof name##_text}

static const struct {
    const char *name;
    const char *text;
    size_t size;
} files[] = {
    FILE(activation),
    FILE(adamw_update),
    FILE(attention_backward_fast),
    FILE(attention_backward_keys),
    FILE(attention_backward_queries),
    FILE(attention_decode),
    FILE(attention_delta),
    FILE(attention_forward),
    FILE(attention_rows_backward),
    FILE(attention_rows_forward),
    FILE(attention_tiles),
    FILE(choose_tokens),
    FILE(classifier_rows),
    FILE(column_sums),
    FILE(convert),
    FILE(copy_heads),
    FILE(dropout),
    FILE(embedding_backward),
    FILE(embedding_forward),
    FILE(layernorm_backward),
    FILE(layernorm_forward),
    FILE(philox),
    FILE(prelude),
    FILE(residual_add),
    FILE(step_state),
};

const char *apus_cuda_kernel_text(const char *name, size_t *size) {
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (strcmp(files[i].name, name) != 0) continue;
        *size = files[i].size;
        return files[i].text;
    }
    return nullptr;
}

const char *apus_cuda_kernel_name(size_t index) {
    return index < sizeof files / sizeof *files ? files[index].name : nullptr;
}
