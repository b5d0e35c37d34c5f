// SPDX-License-Identifier: MIT
// The tensor-core attention kernels, for every head size that they take.
#include "table.h"

#define ACT_BF16 1

namespace head_16 {
#define HEAD_SIZE 16
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_16

namespace head_32 {
#define HEAD_SIZE 32
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_32

namespace head_48 {
#define HEAD_SIZE 48
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_48

namespace head_64 {
#define HEAD_SIZE 64
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_64

namespace head_80 {
#define HEAD_SIZE 80
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_80

namespace head_96 {
#define HEAD_SIZE 96
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_96

namespace head_112 {
#define HEAD_SIZE 112
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_112

namespace head_128 {
#define HEAD_SIZE 128
#include "tile_kernels.h"
#undef HEAD_SIZE
}  // namespace head_128

std::vector<apus_emulated_entry> emulated::tile_kernels() {
    std::vector<apus_emulated_entry> table;
#define ENTRIES(size) \
    table.push_back(entry<&head_##size::attention_forward>("attention_forward", 1, size, 128)); \
    table.push_back(entry<&head_##size::attention_backward_keys>("attention_backward_keys", 1, size, 128)); \
    table.push_back(entry<&head_##size::attention_backward_queries>("attention_backward_queries", 1, size, 128)); \
    table.push_back(entry<&head_##size::attention_backward_fast>( \
        "attention_backward_fast", 1, size, head_##size::FAST_THREADS)); \
    table.push_back(entry<&head_##size::attention_backward_dq>("attention_backward_dq", 1, size, 128));
    ENTRIES(16) ENTRIES(32) ENTRIES(48) ENTRIES(64) ENTRIES(80) ENTRIES(96) ENTRIES(112) ENTRIES(128)
#undef ENTRIES
    return table;
}
