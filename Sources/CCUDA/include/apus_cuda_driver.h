// SPDX-License-Identifier: MIT
// The part of the CUDA driver API (libcuda.so.1) that the engine calls, as a table of function pointers filled at run time.
//
// No CUDA header is needed or included: types and values below are the driver's published ABI. Functions with a `_v2` in
// their symbol are the 64-bit forms that cuda.h maps the plain names to; all of them exist since CUDA 11.4 and in 12 and 13.
#ifndef APUS_CUDA_DRIVER_H
#define APUS_CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int apus_cu_result_t;        ///< CUresult; 0 is success
typedef int apus_cu_device_t;        ///< CUdevice
typedef uint64_t apus_cu_address_t;  ///< CUdeviceptr
typedef struct apus_cu_context *apus_cu_context_t;
typedef struct apus_cu_module *apus_cu_module_t;
typedef struct apus_cu_function *apus_cu_function_t;
typedef struct apus_cu_stream *apus_cu_stream_t;
typedef struct apus_cu_event *apus_cu_event_t;
typedef struct apus_cu_graph *apus_cu_graph_t;
typedef struct apus_cu_graph_exec *apus_cu_graph_exec_t;

/// Results that are told apart.
enum {
    APUS_CU_INVALID_VALUE = 1,
    APUS_CU_OUT_OF_MEMORY = 2,
    APUS_CU_STUB_LIBRARY = 34,
    APUS_CU_NO_DEVICE = 100,
    APUS_CU_NO_BINARY_FOR_GPU = 209,
    APUS_CU_INVALID_HANDLE = 400,
    APUS_CU_NOT_FOUND = 500,
    APUS_CU_NOT_READY = 600,
    APUS_CU_ILLEGAL_ADDRESS = 700,
    APUS_CU_MISALIGNED_ADDRESS = 716,
    APUS_CU_LAUNCH_FAILED = 719,
    APUS_CU_SYSTEM_DRIVER_MISMATCH = 803,
    APUS_CU_CAPTURE_UNSUPPORTED = 900,
    APUS_CU_CAPTURE_INVALIDATED = 901,
    APUS_CU_UNKNOWN = 999,
};

/// CUdevice_attribute.
enum {
    APUS_CU_MULTIPROCESSOR_COUNT = 16,
    APUS_CU_COMPUTE_CAPABILITY_MAJOR = 75,
    APUS_CU_COMPUTE_CAPABILITY_MINOR = 76,
    APUS_CU_MAX_SHARED_MEMORY_OPTIN = 97,
};

enum {
    APUS_CU_STREAM_NON_BLOCKING = 1,
    APUS_CU_EVENT_DEFAULT = 0,
    APUS_CU_EVENT_DISABLE_TIMING = 2,
    APUS_CU_CAPTURE_THREAD_LOCAL = 1,
    APUS_CU_FUNCTION_MAX_DYNAMIC_SHARED = 8,
};

typedef struct {
    apus_cu_result_t (*_Nonnull initialize)(unsigned flags);
    apus_cu_result_t (*_Nonnull driver_version)(int *_Nonnull version);
    apus_cu_result_t (*_Nonnull error_name)(apus_cu_result_t error, const char *_Nullable *_Nonnull name);
    apus_cu_result_t (*_Nonnull error_string)(apus_cu_result_t error, const char *_Nullable *_Nonnull text);

    apus_cu_result_t (*_Nonnull device_count)(int *_Nonnull count);
    apus_cu_result_t (*_Nonnull device_get)(apus_cu_device_t *_Nonnull device, int ordinal);
    apus_cu_result_t (*_Nonnull device_name)(char *_Nonnull name, int length, apus_cu_device_t device);
    apus_cu_result_t (*_Nonnull device_attribute)(int *_Nonnull value, int attribute, apus_cu_device_t device);
    apus_cu_result_t (*_Nonnull device_total_memory)(size_t *_Nonnull bytes, apus_cu_device_t device);

    apus_cu_result_t (*_Nonnull context_retain)(apus_cu_context_t _Nullable *_Nonnull context, apus_cu_device_t device);
    apus_cu_result_t (*_Nonnull context_release)(apus_cu_device_t device);
    apus_cu_result_t (*_Nonnull context_set_current)(apus_cu_context_t _Nullable context);

    apus_cu_result_t (*_Nonnull memory_info)(size_t *_Nonnull free, size_t *_Nonnull total);
    apus_cu_result_t (*_Nonnull memory_allocate)(apus_cu_address_t *_Nonnull address, size_t bytes);
    apus_cu_result_t (*_Nonnull memory_free)(apus_cu_address_t address);
    apus_cu_result_t (*_Nonnull host_allocate)(void *_Nullable *_Nonnull pointer, size_t bytes, unsigned flags);
    apus_cu_result_t (*_Nonnull host_free)(void *_Nonnull pointer);
    apus_cu_result_t (*_Nonnull copy_to_device)(
        apus_cu_address_t to, const void *_Nonnull from, size_t bytes, apus_cu_stream_t _Nullable stream);
    apus_cu_result_t (*_Nonnull copy_to_host)(
        void *_Nonnull to, apus_cu_address_t from, size_t bytes, apus_cu_stream_t _Nullable stream);
    apus_cu_result_t (*_Nonnull copy_on_device)(
        apus_cu_address_t to, apus_cu_address_t from, size_t bytes, apus_cu_stream_t _Nullable stream);
    apus_cu_result_t (*_Nonnull set_bytes)(
        apus_cu_address_t address, unsigned char value, size_t count, apus_cu_stream_t _Nullable stream);

    apus_cu_result_t (*_Nonnull stream_create)(apus_cu_stream_t _Nullable *_Nonnull stream, unsigned flags);
    apus_cu_result_t (*_Nonnull stream_destroy)(apus_cu_stream_t _Nonnull stream);
    apus_cu_result_t (*_Nonnull stream_synchronize)(apus_cu_stream_t _Nullable stream);
    apus_cu_result_t (*_Nonnull stream_wait_event)(
        apus_cu_stream_t _Nullable stream, apus_cu_event_t _Nonnull event, unsigned flags);
    apus_cu_result_t (*_Nonnull event_create)(apus_cu_event_t _Nullable *_Nonnull event, unsigned flags);
    apus_cu_result_t (*_Nonnull event_destroy)(apus_cu_event_t _Nonnull event);
    apus_cu_result_t (*_Nonnull event_record)(apus_cu_event_t _Nonnull event, apus_cu_stream_t _Nullable stream);
    apus_cu_result_t (*_Nonnull event_synchronize)(apus_cu_event_t _Nonnull event);
    apus_cu_result_t (*_Nonnull event_elapsed)(
        float *_Nonnull milliseconds, apus_cu_event_t _Nonnull start, apus_cu_event_t _Nonnull end);

    apus_cu_result_t (*_Nonnull module_load)(apus_cu_module_t _Nullable *_Nonnull module, const void *_Nonnull image);
    apus_cu_result_t (*_Nonnull module_unload)(apus_cu_module_t _Nonnull module);
    apus_cu_result_t (*_Nonnull module_function)(
        apus_cu_function_t _Nullable *_Nonnull function, apus_cu_module_t _Nonnull module, const char *_Nonnull name);
    apus_cu_result_t (*_Nonnull function_set_attribute)(apus_cu_function_t _Nonnull function, int attribute, int value);
    apus_cu_result_t (*_Nonnull launch_kernel)(
        apus_cu_function_t _Nonnull function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
        unsigned block_y, unsigned block_z, unsigned shared_bytes, apus_cu_stream_t _Nullable stream,
        void *_Nullable *_Nullable parameters, void *_Nullable *_Nullable extra);

    apus_cu_result_t (*_Nonnull capture_begin)(apus_cu_stream_t _Nonnull stream, int mode);
    apus_cu_result_t (*_Nonnull capture_end)(apus_cu_stream_t _Nonnull stream, apus_cu_graph_t _Nullable *_Nonnull graph);
    apus_cu_result_t (*_Nonnull graph_instantiate)(
        apus_cu_graph_exec_t _Nullable *_Nonnull exec, apus_cu_graph_t _Nonnull graph, unsigned long long flags);
    apus_cu_result_t (*_Nonnull graph_launch)(apus_cu_graph_exec_t _Nonnull exec, apus_cu_stream_t _Nonnull stream);
    apus_cu_result_t (*_Nonnull graph_exec_destroy)(apus_cu_graph_exec_t _Nonnull exec);
    apus_cu_result_t (*_Nonnull graph_destroy)(apus_cu_graph_t _Nonnull graph);
} apus_cuda_driver_t;

/// Makes a context the calling thread's, unless it was the last one this function set there.
apus_cu_result_t apus_cuda_use(const apus_cuda_driver_t *_Nonnull driver, apus_cu_context_t _Nonnull context);

#endif
