// SPDX-License-Identifier: MIT
// The driver: cards, contexts, memory, modules and launches. streams.cpp has the rest.
#include "cuda_emulation.h"
#include "driver.h"

namespace fake {

thread_local const void *current;

static int Init(unsigned) { return machine().card.initialize_result; }
static int DriverGetVersion(int *version) { return *version = machine().card.driver_version, SUCCESS; }
static int GetErrorName(int error, const char **name) {
    static const std::map<int, const char *> names = {
        {1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {100, "CUDA_ERROR_NO_DEVICE"},
        {200, "CUDA_ERROR_INVALID_IMAGE"}, {719, "CUDA_ERROR_LAUNCH_FAILED"}, {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
        {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}};
    auto found = names.find(error);
    *name = found == names.end() ? nullptr : found->second;
    return found == names.end() ? INVALID_VALUE : SUCCESS;
}
static int GetErrorString(int, const char **text) { return *text = "a fake card's failure", SUCCESS; }

// MARK: Cards and contexts

static int DeviceGetCount(int *count) { return *count = machine().card.cards, SUCCESS; }
static int DeviceGet(int *device, int ordinal) { return *device = ordinal, ordinal < machine().card.cards ? SUCCESS : NO_DEVICE; }
static int DeviceGetName(char *name, int length, int) {
    strncpy(name, machine().card.name, length - 1);
    return SUCCESS;
}
static int DeviceGetAttribute(int *value, int attribute, int) {
    const apus_fake_card_t &card = machine().card;
    switch (attribute) {
    case 16: return *value = 46, SUCCESS;
    case 75: return *value = card.capability_major, SUCCESS;
    case 76: return *value = card.capability_minor, SUCCESS;
    case 97: return *value = (int)card.shared_bytes, SUCCESS;
    default: return machine().misuse("DeviceGetAttribute: an attribute that is not known"), INVALID_VALUE;
    }
}
static int DeviceTotalMem(size_t *bytes, int) { return *bytes = machine().card.memory_bytes, SUCCESS; }
static int DevicePrimaryCtxRetain(void **context, int) {
    LOCKED;
    if (!m.context) m.context = m.make<int>();
    m.retained++;
    *context = (void *)m.context;
    return SUCCESS;
}
static int DevicePrimaryCtxRelease(int) {
    LOCKED;
    if (m.retained == 0) return m.misuse("DevicePrimaryCtxRelease: more often than retained"), INVALID_CONTEXT;
    if (--m.retained == 0) {
        m.drop(m.context, __func__);
        m.context = nullptr;
    }
    return SUCCESS;
}
static int CtxSetCurrent(void *context) {
    LOCKED;
    if (context != m.context) return m.misuse("CtxSetCurrent: an unknown context"), INVALID_CONTEXT;
    current = context;
    return SUCCESS;
}

// MARK: Memory

static int MemGetInfo(size_t *free, size_t *total) {
    LOCKED;
    *total = m.card.memory_bytes;
    *free = m.card.memory_bytes - m.card.used_bytes - m.counts.allocated_bytes;
    return SUCCESS;
}
static int MemAlloc(uint64_t *address, size_t bytes) {
    READY;
    for (Stream *stream : m.streams) {
        if (m.live.count(stream) && forbidden(m, stream, __func__)) return CAPTURE_UNSUPPORTED;
    }
    if (bytes == 0) return INVALID_VALUE;
    if (bytes + m.counts.allocated_bytes + m.card.used_bytes > m.card.memory_bytes) return OUT_OF_MEMORY;
    *address = allocate_block(bytes);
    if (!*address) return OUT_OF_MEMORY;
    m.blocks[*address] = bytes;
    m.counts.allocated_bytes += bytes;
    m.counts.allocations++;
    return SUCCESS;
}
static int MemFree(uint64_t address) {
    LOCKED;
    auto block = m.blocks.find(address);
    if (block == m.blocks.end()) return m.misuse("MemFree: not the start of an allocation"), INVALID_VALUE;
    m.drain_all();
    release_block(address, block->second);
    m.forget(address, block->second);
    m.counts.allocated_bytes -= block->second;
    m.blocks.erase(block);
    return SUCCESS;
}
static int MemHostAlloc(void **pointer, size_t bytes, unsigned) {
    READY;
    if (m.card.host_memory_error) return OUT_OF_MEMORY;
    const size_t size = (bytes + 4095) / 4096 * 4096;
    *pointer = aligned_alloc(4096, size);
    memset(*pointer, 0xff, size);
    m.pinned[(uintptr_t)*pointer] = bytes;
    m.counts.pinned_bytes += bytes;
    return SUCCESS;
}
static int MemFreeHost(void *pointer) {
    LOCKED;
    if (!m.pinned.count((uintptr_t)pointer)) return m.misuse("MemFreeHost: unknown memory"), INVALID_VALUE;
    m.drain_all();
    m.counts.pinned_bytes -= m.pinned[(uintptr_t)pointer];
    m.pinned.erase((uintptr_t)pointer);
    free(pointer);
    return SUCCESS;
}
static bool is_pinned(Machine &m, const void *pointer, size_t bytes) {
    auto next = m.pinned.upper_bound((uintptr_t)pointer);
    if (next == m.pinned.begin()) return false;
    auto block = std::prev(next);
    return (uintptr_t)pointer + bytes <= block->first + block->second;
}
static int MemcpyHtoDAsync(uint64_t to, const void *from, size_t bytes, Stream *stream) {
    READY;
    KNOWN(stream);
    if (!is_pinned(m, from, bytes)) m.misuse("MemcpyHtoDAsync: host memory that is not page-locked makes the host wait");
    if (forbidden(m, stream, __func__)) return CAPTURE_UNSUPPORTED;
    return m.enqueue(stream, [=, &m] {
        if (!m.holds(to, bytes, "MemcpyHtoDAsync")) return;
        m.touch(to, bytes, true, "a copy from the host");
        memcpy((void *)to, from, bytes);
    });
}
static int MemcpyDtoHAsync(void *to, uint64_t from, size_t bytes, Stream *stream) {
    READY;
    KNOWN(stream);
    if (!is_pinned(m, to, bytes)) m.misuse("MemcpyDtoHAsync: host memory that is not page-locked makes the host wait");
    if (forbidden(m, stream, __func__)) return CAPTURE_UNSUPPORTED;
    return m.enqueue(stream, [=, &m] {
        if (m.card.lose_copy > 0 && ++m.copies_to_host >= m.card.lose_copy) m.lost = true;
        if (m.lost || !m.holds(from, bytes, "MemcpyDtoHAsync")) return;
        m.touch(from, bytes, false, "a copy to the host");
        memcpy(to, (void *)from, bytes);
    });
}
static int MemcpyDtoDAsync(uint64_t to, uint64_t from, size_t bytes, Stream *stream) {
    READY;
    KNOWN(stream);
    return m.enqueue(stream, [=, &m] {
        if (!m.holds(to, bytes, "MemcpyDtoDAsync") || !m.holds(from, bytes, "MemcpyDtoDAsync")) return;
        m.touch(from, bytes, false, "a copy on the card");
        m.touch(to, bytes, true, "a copy on the card");
        memmove((void *)to, (void *)from, bytes);
    });
}
static int MemsetD8Async(uint64_t address, unsigned char value, size_t count, Stream *stream) {
    READY;
    KNOWN(stream);
    return m.enqueue(stream, [=, &m] {
        if (!m.holds(address, count, "MemsetD8Async")) return;
        m.touch(address, count, true, "clearing memory");
        memset((void *)address, value, count);
    });
}

// MARK: Modules and launches

static int ModuleLoadData(Module **module, const void *image) {
    READY;
    const char *text = (const char *)image;
    char arch[16] = "";
    int act = 0, head = 0, length = 0;
    if (sscanf(text, "FAKECUBIN %15s %d %d %d\n", arch, &act, &head, &length) != 4) return INVALID_IMAGE;
    if (std::string(arch) != "sm_" + std::to_string(m.card.capability_major) + std::to_string(m.card.capability_minor)) {
        return NO_BINARY_FOR_GPU;
    }
    *module = m.make<Module>();
    **module = {std::string(strchr(text, '\n') + 1, (size_t)length), act, head};
    return SUCCESS;
}
static int ModuleUnload(Module *module) {
    LOCKED;
    return m.drop(module, __func__) ? SUCCESS : INVALID_HANDLE;
}
/// Which parameters of a kernel may be written through, from its text: all but numbers and pointers to constants.
static std::vector<bool> written_parameters(const std::string &text, const std::string &name, int count) {
    std::vector<bool> writes;
    size_t at = text.find(" " + name + "(") + name.size() + 2;
    int depth = 0;
    for (std::string part; at < text.size(); at++) {
        const char c = text[at];
        if (c == '(') depth++;
        if ((c == ',' && depth == 0) || (c == ')' && depth-- == 0)) {
            writes.push_back(part.find("const ") == std::string::npos);
            part.clear();
            if (c == ')') break;
        } else {
            part += c;
        }
    }
    if ((int)writes.size() != count) machine().misuse(name + ": its text has other parameters than the emulation");
    writes.resize((size_t)count, true);
    return writes;
}

static int ModuleGetFunction(Function **function, Module *module, const char *name) {
    READY;
    KNOWN(module);
    // The file must have it, whatever the emulation has.
    const bool written = module->text.find(" " + std::string(name) + "(") != std::string::npos;
    const apus_emulated_kernel_t *kernel = apus_emulated_kernel(name, module->act_bf16, module->head);
    if (!written || !kernel) {
        m.misuse("ModuleGetFunction: no " + std::string(name) + " for act " + std::to_string(module->act_bf16) + " and head "
                 + std::to_string(module->head));
        return NOT_FOUND;
    }
    *function = m.make<Function>();
    (*function)->name = name;
    (*function)->kernel = kernel;
    (*function)->parameters = apus_emulated_parameters(kernel);
    (*function)->writes = written_parameters(module->text, name, (*function)->parameters);
    m.counts.live_handles--;  // functions go with their module
    return SUCCESS;
}
static int FuncSetAttribute(Function *function, int attribute, int value) {
    READY;
    KNOWN(function);
    if (attribute != 8 || (size_t)value > m.card.shared_bytes) return INVALID_VALUE;
    function->shared_allowed = (size_t)value;
    return SUCCESS;
}

/// A kernel's parameters, copied when it is launched: 32 bytes of each, the size of the largest.
struct Call {
    Function *function;
    apus_emulated_geometry_t geometry;
    std::vector<std::array<uint64_t, 4>> values;

    void run(Machine &m) {
        if (m.card.lose_card > 0 && m.kernels_run >= m.card.lose_card) {
            m.lost = true;
            return;
        }
        m.kernels_run++;
        m.counts.kernels++;
        std::vector<void *> pointers;
        for (size_t i = 0; i < values.size(); i++) {
            auto &value = values[i];
            if (m.is_device_address(value[0])) {
                if (!m.holds(value[0], 1, function->name)) return;
                // How far a kernel goes is not known; where it starts is enough to meet a copy of the same tensor.
                m.touch(value[0], 1, function->writes[i], function->name);
            }
            pointers.push_back(value.data());
        }
        const apus_emulated_options_t options = {m.card.reverse, m.card.reverse};
        const char *message =
            apus_emulated_launch((const apus_emulated_kernel_t *)function->kernel, &geometry, pointers.data(), &options);
        if (message) m.misuse(message);
    }
};

static int LaunchKernel(
    Function *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
    Stream *stream, void **parameters, void **) {
    READY;
    KNOWN(function);
    KNOWN(stream);
    if (++m.launches == m.card.fail_launch) return m.card.failure;
    const bool fits = gx > 0 && gy > 0 && gz > 0 && gy < 65536 && gz < 65536 && bx * by * bz > 0 && bx * by * bz <= 1024;
    if (!fits || shared > function->shared_allowed) {
        m.misuse(function->name + ": a grid, block or shared memory that a card refuses");
        return INVALID_VALUE;
    }
    auto call = std::make_shared<Call>(Call{function, {{gx, gy, gz}, {bx, by, bz}, shared}, {}});
    for (int i = 0; i < function->parameters; i++) {
        call->values.emplace_back();
        if ((uintptr_t)parameters[i] % 8 != 0) m.misuse(function->name + ": an unaligned parameter");
        memcpy(call->values.back().data(), parameters[i], 32);
    }
    return m.enqueue(stream, [call, &m] { call->run(m); });
}

void *driver_symbol(const std::string &name) {
#define NAMED(symbol, function) {symbol, (void *)function}
    static const std::map<std::string, void *> symbols = {
        NAMED("cuInit", Init), NAMED("cuDriverGetVersion", DriverGetVersion), NAMED("cuGetErrorName", GetErrorName),
        NAMED("cuGetErrorString", GetErrorString), NAMED("cuDeviceGetCount", DeviceGetCount), NAMED("cuDeviceGet", DeviceGet),
        NAMED("cuDeviceGetName", DeviceGetName), NAMED("cuDeviceGetAttribute", DeviceGetAttribute),
        NAMED("cuDeviceTotalMem_v2", DeviceTotalMem), NAMED("cuDevicePrimaryCtxRetain", DevicePrimaryCtxRetain),
        NAMED("cuDevicePrimaryCtxRelease_v2", DevicePrimaryCtxRelease), NAMED("cuCtxSetCurrent", CtxSetCurrent),
        NAMED("cuMemGetInfo_v2", MemGetInfo), NAMED("cuMemAlloc_v2", MemAlloc), NAMED("cuMemFree_v2", MemFree),
        NAMED("cuMemHostAlloc", MemHostAlloc), NAMED("cuMemFreeHost", MemFreeHost),
        NAMED("cuMemcpyHtoDAsync_v2", MemcpyHtoDAsync), NAMED("cuMemcpyDtoHAsync_v2", MemcpyDtoHAsync),
        NAMED("cuMemcpyDtoDAsync_v2", MemcpyDtoDAsync), NAMED("cuMemsetD8Async", MemsetD8Async),
        NAMED("cuModuleLoadData", ModuleLoadData), NAMED("cuModuleUnload", ModuleUnload),
        NAMED("cuModuleGetFunction", ModuleGetFunction), NAMED("cuFuncSetAttribute", FuncSetAttribute),
        NAMED("cuLaunchKernel", LaunchKernel)};
#undef NAMED
    auto found = symbols.find(name);
    return found == symbols.end() ? stream_symbol(name) : found->second;
}

}  // namespace fake
