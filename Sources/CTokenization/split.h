// SPDX-License-Identifier: MIT
#ifndef APUS_SPLIT_H
#define APUS_SPLIT_H

#include "CTokenization.h"

/// GPT-2's words, 64 bytes at a time.
size_t apus_split_gpt2(apus_splitter *s, size_t *starts, size_t capacity);

#endif
