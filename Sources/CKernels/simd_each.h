// SPDX-License-Identifier: MIT
#undef APUS_TEMPLATE
