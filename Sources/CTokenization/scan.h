// SPDX-License-Identifier: MIT
#ifndef APUS_SCAN_H
#define APUS_SCAN_H

#include <stddef.h>
#include <stdint.h>

/// A prefix of whole characters that is certainly well-formed UTF-8, found 32 bytes at a time; 0 where that is not faster.
size_t apus_utf8_valid_blocks(const uint8_t *text, size_t length);

#endif
