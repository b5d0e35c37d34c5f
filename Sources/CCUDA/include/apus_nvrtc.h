// SPDX-License-Identifier: MIT
// The run-time compiler (libnvrtc.so.12 or .13) as a table of function pointers. Its C ABI is the same since CUDA 11.1.
#ifndef APUS_NVRTC_H
#define APUS_NVRTC_H

#include <stddef.h>

typedef struct apus_nvrtc_program *apus_nvrtc_program_t;

/// Results are nvrtcResult; 0 is success.
typedef struct {
    int (*_Nonnull version)(int *_Nonnull major, int *_Nonnull minor);
    int (*_Nonnull architecture_count)(int *_Nonnull count);
    int (*_Nonnull architectures)(int *_Nonnull numbers);
    int (*_Nonnull create)(
        apus_nvrtc_program_t _Nullable *_Nonnull program, const char *_Nonnull source, const char *_Nullable name, int headers,
        const char *_Nullable const *_Nullable texts, const char *_Nullable const *_Nullable names);
    int (*_Nonnull compile)(
        apus_nvrtc_program_t _Nonnull program, int options, const char *_Nullable const *_Nullable texts);
    int (*_Nonnull destroy)(apus_nvrtc_program_t _Nullable *_Nonnull program);
    int (*_Nonnull log_size)(apus_nvrtc_program_t _Nonnull program, size_t *_Nonnull size);
    int (*_Nonnull log)(apus_nvrtc_program_t _Nonnull program, char *_Nonnull text);
    int (*_Nonnull cubin_size)(apus_nvrtc_program_t _Nonnull program, size_t *_Nonnull size);
    int (*_Nonnull cubin)(apus_nvrtc_program_t _Nonnull program, char *_Nonnull bytes);
    const char *_Nullable (*_Nonnull error_string)(int result);
} apus_nvrtc_t;

#endif
