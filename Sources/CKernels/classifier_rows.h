// SPDX-License-Identifier: MIT
// One row of the classifier: from logits to loss and gradient. The passes are plain C, made vector code by the function
// they are inlined into.
#ifndef APUS_CLASSIFIER_ROWS_H
#define APUS_CLASSIFIER_ROWS_H

#include "apus_types.h"

typedef struct {
    float *logits;        ///< [V], overwritten when `gradient`
    long count;           ///< V
    int target;           ///< below 0: the row is left out
    int gradient;         ///< write scale * (p - onehot) over the start of the logits' memory
    apus_dtype_t dtype;   ///< of the gradient
    float scale;
} apus_classifier_row_t;

/// Does one row and gives its loss in nats.
typedef float (*apus_classifier_row_function_t)(const apus_classifier_row_t *row);

apus_classifier_row_function_t apus_classifier_row_of(apus_isa_t isa);

#endif
