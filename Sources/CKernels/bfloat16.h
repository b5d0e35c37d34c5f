// SPDX-License-Identifier: MIT
// Scalar access to float32 and bfloat16 arrays, for the portable kernels and the ends of rows.
#ifndef APUS_BFLOAT16_H
#define APUS_BFLOAT16_H

#include <stdint.h>
#include <string.h>

#include "apus_types.h"

static inline float apus_from_bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

/// Rounds to nearest even; a NaN keeps its upper bits and becomes quiet.
static inline uint16_t apus_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float apus_get(const void *array, apus_dtype_t dtype, long i) {
    return dtype == APUS_F32 ? ((const float *)array)[i] : apus_from_bf16(((const uint16_t *)array)[i]);
}

static inline void apus_set(void *array, apus_dtype_t dtype, long i, float value) {
    if (dtype == APUS_F32) {
        ((float *)array)[i] = value;
    } else {
        ((uint16_t *)array)[i] = apus_to_bf16(value);
    }
}

/// Bytes of one element.
static inline long apus_size(apus_dtype_t dtype) { return dtype == APUS_F32 ? 4 : 2; }

#endif
