// SPDX-License-Identifier: MIT
// What the kernels' arguments share: element types and activations.
#ifndef APUS_TYPES_H
#define APUS_TYPES_H

/// An array's element type. bfloat16 is the upper half of a float32, rounded to nearest even.
typedef enum {
    APUS_F32 = 0,
    APUS_BF16 = 1,
} apus_dtype_t;

typedef enum {
    APUS_ACTIVATION_NONE = 0,
    APUS_ACTIVATION_GELU = 1,       ///< x/2 (1 + erf(x / sqrt 2))
    APUS_ACTIVATION_GELU_TANH = 2,  ///< x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
} apus_activation_t;

#endif
