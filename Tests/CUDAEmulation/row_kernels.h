// SPDX-License-Identifier: MIT
// Included once for each dtype and number of slots, without a guard. Each file has helpers of the same names.
#include "../../Sources/CCUDA/kernels/prelude.cu"
#include "../../Sources/CCUDA/kernels/philox.cu"
namespace forward {
#include "../../Sources/CCUDA/kernels/attention_rows_forward.cu"
}
namespace backward {
#include "../../Sources/CCUDA/kernels/attention_rows_backward.cu"
}
using namespace forward;
using namespace backward;
