// SPDX-License-Identifier: MIT
#define _GNU_SOURCE  // sched_getaffinity
#include "apus_affinity.h"

#include <sched.h>
#include <string.h>

int apus_affinity(uint64_t *mask, int words) {
    memset(mask, 0, sizeof *mask * (size_t)words);
    // The kernel takes any size that is at least its own number of CPUs.
    return sched_getaffinity(0, sizeof *mask * (size_t)words, (cpu_set_t *)mask);
}
