// SPDX-License-Identifier: MIT
#include "LibFuzzer.h"
