// SPDX-License-Identifier: MIT
// Fills the tables of function pointers from shared libraries, or from anything else that gives addresses by name.
#ifndef APUS_CUDA_TABLES_H
#define APUS_CUDA_TABLES_H

#include <stddef.h>

#include "apus_cublaslt.h"
#include "apus_cuda_driver.h"
#include "apus_nvrtc.h"

/// Gives the address of a function, or NULL.
typedef void *_Nullable (*apus_symbols_t)(void *_Nullable source, const char *_Nonnull name);

/// Each gives a table, to be freed by `apus_cuda_table_free`, or NULL and the name of the first function that is missing.
apus_cuda_driver_t *_Nullable apus_cuda_driver_table(
    apus_symbols_t _Nonnull symbols, void *_Nullable source, const char *_Nullable *_Nonnull missing);
apus_nvrtc_t *_Nullable apus_nvrtc_table(
    apus_symbols_t _Nonnull symbols, void *_Nullable source, const char *_Nullable *_Nonnull missing);
apus_cublaslt_t *_Nullable apus_cublaslt_table(
    apus_symbols_t _Nonnull symbols, void *_Nullable source, const char *_Nullable *_Nonnull missing);
void apus_cuda_table_free(void *_Nullable table);

/// dlopen with all symbols bound and kept to itself. NULL: the reason is in `error`.
void *_Nullable apus_library_open(const char *_Nonnull path, char *_Nonnull error, size_t size);
/// dlsym; an `apus_symbols_t`.
void *_Nullable apus_library_symbol(void *_Nullable library, const char *_Nonnull name);
/// The file that a symbol's library was loaded from, into `path`; 0 when it cannot be told.
int apus_library_path(void *_Nonnull library, const char *_Nonnull symbol, char *_Nonnull path, size_t size);
void apus_library_close(void *_Nullable library);

#endif
