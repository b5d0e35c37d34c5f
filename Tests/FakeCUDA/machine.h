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
#include <tuple>
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

/// How much of each stream's work is known to be done: a vector clock.
using Clock = std::map<int, long>;

inline void merge(Clock &clock, const Clock &other) {
    for (auto [stream, count] : other) clock[stream] = std::max(clock[stream], count);
}

struct Stream {
    struct Item {
        long number;
        Clock clock;  ///< what is done before it, and itself
        Work work;
    };
    int id = 0;  ///< from 1, in the order they were made
    Clock clock;
    std::deque<Item> waiting;
    bool capturing = false, invalidated = false;
    std::vector<Work> captured;
};

struct Event {
    Stream *stream = nullptr;
    long number = 0;   ///< of the work it was recorded behind
    double cost = 0;   ///< what had been spent when it came to pass
    Clock clock;       ///< what is done when it has come to pass
};

struct Module {
    std::string text;
    int act_bf16 = 0, head = 0;
};

struct Function {
    std::string name;
    const void *kernel = nullptr;
    int parameters = 0;
    std::vector<bool> writes;  ///< which parameters may be written through
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
    std::vector<Stream *> streams;         ///< every one that was made, destroyed ones too
    Clock host;                            ///< what the host has waited for
    std::vector<std::shared_ptr<void>> objects;  ///< never reused, so that an old handle is never taken for a new one
    long enqueued = 0, kernels_run = 0, launches = 0, copies_to_host = 0;
    double cost = 0;
    bool lost = false;
    const void *context = nullptr;
    int retained = 0;

    void misuse(const std::string &sentence) { misuses += sentence + "\n"; }

    /// The last time that a stream read or wrote a range.
    struct Access {
        long index;
        std::string what;
    };
    /// By stream; then by address, bytes and whether it was written.
    std::map<int, std::map<std::tuple<uint64_t, size_t, bool>, Access>> accesses;
    /// The work that runs now.
    const Stream::Item *running = nullptr;
    int running_on = 0;

    /// Notes that the work that runs now uses a range, and a race when another stream's use of it is not ordered with this one.
    void touch(uint64_t address, size_t bytes, bool writes, const std::string &what);
    /// Forgets the uses of memory that is given back.
    void forget(uint64_t address, size_t bytes);

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
    /// Runs everything, as giving memory back does.
    void drain_all();
};

Machine &machine();

/// Functions by name, of each part.
void *driver_symbol(const std::string &name);
void *nvrtc_symbol(const std::string &name);
void *cublaslt_symbol(const std::string &name);

}  // namespace fake

#endif
