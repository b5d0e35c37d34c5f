// SPDX-License-Identifier: MIT
#ifndef APUS_SIMD_H
#define APUS_SIMD_H
#include "apus_isa.h"
#define APUS_SELECT(isa, name) ((void)(isa), name##_portable)
#endif
