// SPDX-License-Identifier: MIT
// Dropout masks as bits, for the operations that drop.
#ifndef APUS_DROPOUT_H
#define APUS_DROPOUT_H

#include "apus_ops.h"

/// Bits 0 ... count - 1 (count <= 64) of the result say which of the elements first ... of a sample are kept.
uint64_t apus_keep_bits(apus_isa_t isa, const apus_dropout_t *dropout, uint64_t sample, uint64_t first, int count);

#endif
