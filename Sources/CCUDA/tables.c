// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "apus_cuda_tables.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Where a function's address goes in its table, and the symbol that has it.
typedef struct {
    size_t offset;
    const char *symbol;
} entry_t;

#define DRIVER(field, symbol) {offsetof(apus_cuda_driver_t, field), symbol}
static const entry_t driver_entries[] = {
    DRIVER(initialize, "cuInit"),
    DRIVER(driver_version, "cuDriverGetVersion"),
    DRIVER(error_name, "cuGetErrorName"),
    DRIVER(error_string, "cuGetErrorString"),
    DRIVER(device_count, "cuDeviceGetCount"),
    DRIVER(device_get, "cuDeviceGet"),
    DRIVER(device_name, "cuDeviceGetName"),
    DRIVER(device_attribute, "cuDeviceGetAttribute"),
    DRIVER(device_total_memory, "cuDeviceTotalMem_v2"),
    DRIVER(context_retain, "cuDevicePrimaryCtxRetain"),
    DRIVER(context_release, "cuDevicePrimaryCtxRelease_v2"),
    DRIVER(context_set_current, "cuCtxSetCurrent"),
    DRIVER(memory_info, "cuMemGetInfo_v2"),
    DRIVER(memory_allocate, "cuMemAlloc_v2"),
    DRIVER(memory_free, "cuMemFree_v2"),
    DRIVER(host_allocate, "cuMemHostAlloc"),
    DRIVER(host_free, "cuMemFreeHost"),
    DRIVER(copy_to_device, "cuMemcpyHtoDAsync_v2"),
    DRIVER(copy_to_host, "cuMemcpyDtoHAsync_v2"),
    DRIVER(copy_on_device, "cuMemcpyDtoDAsync_v2"),
    DRIVER(set_bytes, "cuMemsetD8Async"),
    DRIVER(stream_create, "cuStreamCreate"),
    DRIVER(stream_destroy, "cuStreamDestroy_v2"),
    DRIVER(stream_synchronize, "cuStreamSynchronize"),
    DRIVER(stream_wait_event, "cuStreamWaitEvent"),
    DRIVER(event_create, "cuEventCreate"),
    DRIVER(event_destroy, "cuEventDestroy_v2"),
    DRIVER(event_record, "cuEventRecord"),
    DRIVER(event_synchronize, "cuEventSynchronize"),
    DRIVER(event_elapsed, "cuEventElapsedTime"),
    DRIVER(module_load, "cuModuleLoadData"),
    DRIVER(module_unload, "cuModuleUnload"),
    DRIVER(module_function, "cuModuleGetFunction"),
    DRIVER(function_set_attribute, "cuFuncSetAttribute"),
    DRIVER(launch_kernel, "cuLaunchKernel"),
    DRIVER(capture_begin, "cuStreamBeginCapture_v2"),
    DRIVER(capture_end, "cuStreamEndCapture"),
    DRIVER(graph_instantiate, "cuGraphInstantiateWithFlags"),
    DRIVER(graph_launch, "cuGraphLaunch"),
    DRIVER(graph_exec_destroy, "cuGraphExecDestroy"),
    DRIVER(graph_destroy, "cuGraphDestroy"),
};

#define NVRTC(field, symbol) {offsetof(apus_nvrtc_t, field), symbol}
static const entry_t nvrtc_entries[] = {
    NVRTC(version, "nvrtcVersion"),
    NVRTC(architecture_count, "nvrtcGetNumSupportedArchs"),
    NVRTC(architectures, "nvrtcGetSupportedArchs"),
    NVRTC(create, "nvrtcCreateProgram"),
    NVRTC(compile, "nvrtcCompileProgram"),
    NVRTC(destroy, "nvrtcDestroyProgram"),
    NVRTC(log_size, "nvrtcGetProgramLogSize"),
    NVRTC(log, "nvrtcGetProgramLog"),
    NVRTC(cubin_size, "nvrtcGetCUBINSize"),
    NVRTC(cubin, "nvrtcGetCUBIN"),
    NVRTC(error_string, "nvrtcGetErrorString"),
};

#define LT(field, symbol) {offsetof(apus_cublaslt_t, field), symbol}
static const entry_t cublaslt_entries[] = {
    LT(version, "cublasLtGetVersion"),
    LT(create, "cublasLtCreate"),
    LT(destroy, "cublasLtDestroy"),
    LT(operation_create, "cublasLtMatmulDescCreate"),
    LT(operation_destroy, "cublasLtMatmulDescDestroy"),
    LT(operation_set, "cublasLtMatmulDescSetAttribute"),
    LT(layout_create, "cublasLtMatrixLayoutCreate"),
    LT(layout_destroy, "cublasLtMatrixLayoutDestroy"),
    LT(preference_create, "cublasLtMatmulPreferenceCreate"),
    LT(preference_destroy, "cublasLtMatmulPreferenceDestroy"),
    LT(preference_set, "cublasLtMatmulPreferenceSetAttribute"),
    LT(heuristic, "cublasLtMatmulAlgoGetHeuristic"),
    LT(check, "cublasLtMatmulAlgoCheck"),
    LT(matmul, "cublasLtMatmul"),
};

static_assert(sizeof driver_entries / sizeof *driver_entries == sizeof(apus_cuda_driver_t) / sizeof(void *), "a field is not filled");
static_assert(sizeof nvrtc_entries / sizeof *nvrtc_entries == sizeof(apus_nvrtc_t) / sizeof(void *), "a field is not filled");
static_assert(sizeof cublaslt_entries / sizeof *cublaslt_entries == sizeof(apus_cublaslt_t) / sizeof(void *), "a field is not filled");

/// A table of `count` function pointers, every one filled.
static void *fill(const entry_t *entries, size_t count, apus_symbols_t symbols, void *source, const char **missing) {
    char *table = calloc(count, sizeof(void *));
    *missing = "memory";
    for (size_t i = 0; table && i < count; i++) {
        void *address = symbols(source, entries[i].symbol);
        if (!address) {
            *missing = entries[i].symbol;
            free(table);
            return nullptr;
        }
        memcpy(table + entries[i].offset, &address, sizeof address);
    }
    return table;
}

#define FILL(entries) fill(entries, sizeof entries / sizeof *entries, symbols, source, missing)

apus_cuda_driver_t *apus_cuda_driver_table(apus_symbols_t symbols, void *source, const char **missing) {
    return FILL(driver_entries);
}

apus_nvrtc_t *apus_nvrtc_table(apus_symbols_t symbols, void *source, const char **missing) { return FILL(nvrtc_entries); }

apus_cublaslt_t *apus_cublaslt_table(apus_symbols_t symbols, void *source, const char **missing) {
    return FILL(cublaslt_entries);
}

void apus_cuda_table_free(void *table) { free(table); }

// MARK: Shared libraries

void *apus_library_open(const char *path, char *error, size_t size) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *reason = dlerror();
        snprintf(error, size, "%s", reason ? reason : "no reason given");
    }
    return library;
}

void *apus_library_symbol(void *library, const char *name) { return dlsym(library, name); }

int apus_library_path(void *library, const char *symbol, char *path, size_t size) {
    void *address = dlsym(library, symbol);
    Dl_info info;
    if (!address || !dladdr(address, &info) || !info.dli_fname) return 0;
    snprintf(path, size, "%s", info.dli_fname);
    return 1;
}

void apus_library_close(void *library) {
    if (library) dlclose(library);
}

// MARK: Contexts

apus_cu_result_t apus_cuda_use(const apus_cuda_driver_t *driver, apus_cu_context_t context) {
    // A driver keeps one context a thread; asking it on every call would cost as much as the call.
    static _Thread_local apus_cu_context_t current;
    static _Thread_local const apus_cuda_driver_t *owner;
    if (current == context && owner == driver) return 0;
    apus_cu_result_t result = driver->context_set_current(context);
    if (result == 0) {
        current = context;
        owner = driver;
    }
    return result;
}
