// SPDX-License-Identifier: MIT
// Included once for each head size, without a guard.
#include "../../Sources/CCUDA/kernels/prelude.cu"
#include "../../Sources/CCUDA/kernels/philox.cu"
#include "../../Sources/CCUDA/kernels/attention_tiles.cu"
#include "../../Sources/CCUDA/kernels/attention_forward.cu"
#include "../../Sources/CCUDA/kernels/attention_backward_fast.cu"
#include "../../Sources/CCUDA/kernels/attention_backward_keys.cu"
#include "../../Sources/CCUDA/kernels/attention_backward_queries.cu"
