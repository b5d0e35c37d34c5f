// SPDX-License-Identifier: MIT
// What happens when a mapped file becomes shorter while it is read: a sentence instead of a bare SIGBUS.
#ifndef APUS_CMAPPING_H
#define APUS_CMAPPING_H

#include <stddef.h>

/// Remembers that these bytes are the file's; any thread may call it. Returns a place for apus_mapping_forget, or -1 when all
/// places are taken: a fault in that file is then reported without its name.
int apus_mapping_note(const void *base, size_t size, const char *path);
/// To be called before the bytes are unmapped.
void apus_mapping_forget(int place);

/// From now on, touching a page that its file no longer has writes a sentence to standard error and ends the process with exit
/// code 1. Every other SIGBUS ends it by the signal, as before.
void apus_mapping_explain_faults(void);

#endif
