// SPDX-License-Identifier: MIT
#ifndef APUS_AFFINITY_H
#define APUS_AFFINITY_H

#include <stdint.h>

/// Sets bit c of the `words` words for every CPU c that the scheduler may run this process on. 0, or -1 on failure.
int apus_affinity(uint64_t *mask, int words);

#endif
