// SPDX-License-Identifier: MIT
// The one function of LLVM's libFuzzer that is called.
#ifndef APUS_LIBFUZZER_H
#define APUS_LIBFUZZER_H

#include <stddef.h>
#include <stdint.h>

// Runs the fuzzer on its command line, calling `callback` with inputs; gives the exit code.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*callback)(const uint8_t *data, size_t size));

#endif
