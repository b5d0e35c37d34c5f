// SPDX-License-Identifier: MIT
// The attention kernels for float32, odd head sizes and decoding, for both dtypes and every number of slots.
#include "table.h"

#define ACT_BF16 0
namespace float32_1 {
#define HEAD_SLOTS 1
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace float32_1
namespace float32_2 {
#define HEAD_SLOTS 2
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace float32_2
namespace float32_3 {
#define HEAD_SLOTS 3
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace float32_3
namespace float32_4 {
#define HEAD_SLOTS 4
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace float32_4
namespace float32_8 {
#define HEAD_SLOTS 8
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace float32_8
#undef ACT_BF16

#define ACT_BF16 1
namespace bfloat16_1 {
#define HEAD_SLOTS 1
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace bfloat16_1
namespace bfloat16_2 {
#define HEAD_SLOTS 2
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace bfloat16_2
namespace bfloat16_3 {
#define HEAD_SLOTS 3
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace bfloat16_3
namespace bfloat16_4 {
#define HEAD_SLOTS 4
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace bfloat16_4
namespace bfloat16_8 {
#define HEAD_SLOTS 8
#include "row_kernels.h"
#undef HEAD_SLOTS
}  // namespace bfloat16_8
#undef ACT_BF16

std::vector<apus_emulated_entry> emulated::row_kernels() {
    std::vector<apus_emulated_entry> table;
#define ENTRIES_OF(space, act, slots) \
    table.push_back(entry<&space::attention_rows_forward>("attention_rows_forward", act, slots, ANY_WARPS)); \
    table.push_back(entry<&space::attention_rows_backward_queries>("attention_rows_backward_queries", act, slots, 128)); \
    table.push_back(entry<&space::attention_rows_backward_keys>("attention_rows_backward_keys", act, slots, 128));
#define ENTRIES(slots) ENTRIES_OF(float32_##slots, 0, slots) ENTRIES_OF(bfloat16_##slots, 1, slots)
    ENTRIES(1) ENTRIES(2) ENTRIES(3) ENTRIES(4) ENTRIES(8)
#undef ENTRIES
#undef ENTRIES_OF
    return table;
}
