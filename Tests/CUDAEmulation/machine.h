// SPDX-License-Identifier: MIT
// The emulated machine: fibers for CUDA threads, barriers, warp collectives, and shared memory whose every access is checked.
//
// One block runs at a time, each of its threads until it waits. What a GPU would answer with wrong numbers or a hang ends the
// launch with a sentence: a barrier or collective that not all threads reach, shared memory read before it was written, before
// an asynchronous copy was waited for, or without a barrier after another thread's write, writes that race with reads, and
// addresses out of range or misaligned.
#ifndef APUS_EMULATED_MACHINE_H
#define APUS_EMULATED_MACHINE_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace emulated {

struct Index {
    uint32_t x = 1, y = 1, z = 1;
};

/// An asynchronous copy of 16 bytes that has been started and not waited for.
struct Copy {
    uint32_t to;
    const void *from;  // null: zeros
    int group;
};

struct Fiber {
    void *stack_pointer = nullptr;
    Index thread;
    int number = 0, lane = 0, warp = 0;
    bool done = true;
    const uint32_t *waiting_on = nullptr;  // runs again when this differs from `waiting_value`
    uint32_t waiting_value = 0;
    uint32_t collectives = 0;  // whose parity chooses one of a warp's two sets of operands
    std::vector<Copy> copies;
    int copy_group = 0;
};

/// What a warp's lanes bring to a collective. Two sets in turn, so that one barrier a collective is enough.
struct Operands {
    uint64_t value[32];
    uint32_t a[32][4], b[32][2];
    const uint8_t *address[32];
    float product[16][8];
};

struct Warp {
    int arrived = 0, alive = 0;
    uint32_t generation = 0;
    uint64_t collective = 0;  // which one the arrived lanes are at
    uint32_t syncs = 0;       // completed __syncwarp
    Operands operands[2];
};

/// Who used two bytes of shared memory last.
struct Shadow {
    int16_t writer = -1, reader = -1, reader_warp = -1;
    int16_t plain_writer = -1;  // the last one but for atomic additions
    bool arriving = false;  // an asynchronous copy is under way
    bool atomic = false;    // written by atomic additions, which others may have made as well
    uint32_t write_barrier = 0, write_sync = 0, plain_barrier = 0, read_barrier = 0, read_sync = 0;
};

enum { MANY = -2, GRANULE = 2, LARGEST_SHARED = 99 << 10, LARGEST_STATIC_SHARED = 48 << 10 };

struct Machine {
    Index grid, block, block_index;
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    Fiber *current = nullptr;
    int threads = 0, alive = 0, at_barrier = 0;
    uint32_t barriers = 0;  // completed __syncthreads
    bool reverse = false, late_copies = false;

    std::vector<uint8_t> shared_memory;  // dynamic first, then static
    std::vector<Shadow> shadows;
    uint32_t dynamic_bytes = 0, static_bytes = 0;
    std::map<const void *, std::pair<uint32_t, uint32_t>> static_places;  // begin and end by declaration

    const std::function<void()> *body = nullptr;
    void *main_stack_pointer = nullptr;
    uint8_t *stacks = nullptr;
    bool failed = false;
    std::string message;

    ~Machine();
    Warp &warp() { return warps[(size_t)current->warp]; }
};

/// Each host thread has a machine of its own, so that tests may run side by side.
extern thread_local Machine machine;

/// Ends the launch with a sentence.
[[noreturn]] void fail(const std::string &what);

void block_barrier();
/// Waits for all lanes of the warp to come to the same collective; the last to come runs `last`.
void warp_barrier(uint64_t collective, const std::function<void(Warp &)> &last);
/// The set of operands for this lane's next collective.
Operands &next_operands();

void check_read(uint32_t at, uint32_t bytes);
void check_write(uint32_t at, uint32_t bytes);
/// An atomic addition: others may be at the same place, but only with the same.
void check_atomic(uint32_t at, uint32_t bytes);
/// Where shared memory declared at `declaration` lies in this block.
std::pair<uint32_t, uint32_t> static_shared(const void *declaration, size_t bytes);
void start_copy(uint32_t to, const void *from);
void finish_copies(int groups_left);

/// Runs a grid; an empty string, or what went wrong.
std::string run(Index grid, Index block, size_t dynamic_shared_bytes, bool reverse, bool late_copies,
                const std::function<void()> &body);

}  // namespace emulated

#endif
