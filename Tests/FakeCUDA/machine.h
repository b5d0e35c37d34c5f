// SPDX-License-Identifier: MIT
// The state of the fake card, shared by its driver, compiler and matrix library.
#ifndef APUS_FAKE_MACHINE_H
#define APUS_FAKE_MACHINE_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "fake_cuda.h"

namespace fake {

/// Results of the driver that the fake gives.
enum Result {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NO_DEVICE = 100,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
};

using Work = std::function<void()>;

struct Stream {
    std::deque<std::pair<long, Work>> waiting;
    bool capturing = false, invalidated = false;
    std::vector<Work> captured;
};

struct Event {
    Stream *stream = nullptr;
    long number = 0;   ///< of the work it was recorded behind
    double cost = 0;   ///< what had been spent when it came to pass
};

struct Module {
    std::string text;
    int act_bf16 = 0, head = 0;
};

struct Function {
    std::string name;
    const void *kernel = nullptr;
    int parameters = 0;
    size_t shared_allowed = 48 << 10;
};

struct Graph {
    std::vector<Work> work;
};

/// Everything there is; all functions hold `lock`.
struct Machine {
    std::recursive_mutex lock;
    apus_fake_card_t card = {};
    std::string misuses;
    apus_fake_counts_t counts = {};
    std::map<uint64_t, size_t> blocks;     ///< device memory: address, bytes
    std::map<uintptr_t, size_t> pinned;    ///< page-locked host memory
    std::set<const void *> live;           ///< handles of every kind
    std::vector<std::shared_ptr<void>> objects;  ///< never reused, so that an old handle is never taken for a new one
    long enqueued = 0, kernels_run = 0, launches = 0;
    double cost = 0;
    bool lost = false;
    const void *context = nullptr;
    int retained = 0;

    void misuse(const std::string &sentence) { misuses += sentence + "\n"; }

    template <typename T> T *make() {
        auto object = std::make_shared<T>();
        objects.push_back(object);
        live.insert(object.get());
        counts.live_handles++;
        return object.get();
    }

    /// Whether a handle is one that was made and not destroyed; notes it when not.
    bool knows(const void *handle, const char *what) {
        if (live.count(handle)) return true;
        misuse(std::string(what) + ": an unknown or destroyed handle");
        return false;
    }

    bool drop(const void *handle, const char *what) {
        if (!knows(handle, what)) return false;
        live.erase(handle);
        counts.live_handles--;
        return true;
    }

    /// Whether a range lies within one live block of device memory; notes it when not.
    bool holds(uint64_t address, size_t bytes, const std::string &what);
    /// Whether an address is in the range that device memory is given from, allocated or not.
    bool is_device_address(uint64_t address) const;
    /// Adds work to a stream or to what it captures.
    int enqueue(Stream *stream, Work work);
    /// Runs a stream's work up to a number, all of it with -1.
    void drain(Stream *stream, long until = -1);
};

Machine &machine();

/// Functions by name, of each part.
void *driver_symbol(const std::string &name);
void *nvrtc_symbol(const std::string &name);
void *cublaslt_symbol(const std::string &name);

}  // namespace fake

#endif
