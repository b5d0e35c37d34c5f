// SPDX-License-Identifier: MIT
#include "machine.h"

#include <sys/mman.h>

namespace fake {

/// Addresses of device memory come from one range, so that a parameter that holds one is recognised.
static const uint64_t RANGE = 1ull << 37;

static uint64_t range_start() {
    static const uint64_t start = [] {
        void *memory = mmap(nullptr, RANGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        return memory == MAP_FAILED ? 0 : (uint64_t)(uintptr_t)memory;
    }();
    return start;
}

Machine &machine() {
    static Machine *one = new Machine();
    return *one;
}

bool Machine::is_device_address(uint64_t address) const {
    return address >= range_start() && address < range_start() + RANGE;
}

bool Machine::holds(uint64_t address, size_t bytes, const std::string &what) {
    auto next = blocks.upper_bound(address);
    if (next != blocks.begin()) {
        auto block = std::prev(next);
        if (address + bytes <= block->first + block->second) return true;
    }
    misuse(what + ": " + std::to_string(bytes) + " bytes that are not in one allocation");
    return false;
}

int Machine::enqueue(Stream *stream, Work work) {
    if (lost) return card.failure;
    if (stream->capturing) {
        stream->captured.push_back(std::move(work));
        return SUCCESS;
    }
    // What the host has waited for is done before anything that it enqueues now.
    merge(stream->clock, host);
    stream->clock[stream->id]++;
    stream->waiting.push_back({++enqueued, stream->clock, std::move(work)});
    if (card.eager) drain(stream);
    return lost ? card.failure : SUCCESS;
}

void Machine::drain(Stream *stream, long until) {
    while (!stream->waiting.empty() && (until < 0 || stream->waiting.front().number <= until)) {
        const Stream::Item item = std::move(stream->waiting.front());
        stream->waiting.pop_front();
        // Waiting for another stream runs that one's work in between.
        const auto before = std::make_pair(running, running_on);
        running = &item;
        running_on = stream->id;
        if (!lost) item.work();
        std::tie(running, running_on) = before;
    }
}

void Machine::drain_all() {
    for (Stream *stream : streams) {
        drain(stream);
        merge(host, stream->clock);
    }
}

// MARK: Races

void Machine::touch(uint64_t address, size_t bytes, bool writes, const std::string &what) {
    if (!running || bytes == 0) return;
    for (auto &[stream, uses] : accesses) {
        if (stream == running_on) continue;
        auto known = running->clock.find(stream);
        const long done = known == running->clock.end() ? 0 : known->second;
        for (auto &[range, access] : uses) {
            auto [start, size, written] = range;
            const bool meets = start < address + bytes && address < start + size && (writes || written);
            if (!meets || access.index <= done) continue;
            misuse("race: " + what + " on stream " + std::to_string(running_on) + " and " + access.what + " on stream "
                   + std::to_string(stream) + " use the same memory, and neither waits for the other");
            access.index = done;  // said once
        }
    }
    accesses[running_on][{address, bytes, writes}] = {running->clock.at(running_on), what};
}

void Machine::forget(uint64_t address, size_t bytes) {
    for (auto &[stream, uses] : accesses) {
        for (auto use = uses.begin(); use != uses.end();) {
            auto [start, size, written] = use->first;
            use = start < address + bytes && address < start + size ? uses.erase(use) : std::next(use);
        }
    }
}

// MARK: Device memory

/// Gives zero-free memory: what a kernel does not write is found out.
uint64_t allocate_block(size_t bytes) {
    static uint64_t used = 0;
    Machine &m = machine();
    if (m.blocks.empty()) used = 0;
    const uint64_t size = (bytes + 4095) / 4096 * 4096;
    if (range_start() == 0 || used + size + 4096 > RANGE) return 0;
    const uint64_t address = range_start() + used;
    used += size + 4096;  // a page that nobody may touch between two blocks
    mprotect((void *)(uintptr_t)address, size, PROT_READ | PROT_WRITE);
    // The last bytes before the guard page are part of the block only when its size says so; 256-byte alignment as on a card.
    __builtin_memset((void *)(uintptr_t)address, 0xff, size);
    return address;
}

void release_block(uint64_t address, size_t bytes) {
    const uint64_t size = (bytes + 4095) / 4096 * 4096;
    madvise((void *)(uintptr_t)address, size, MADV_DONTNEED);
    mprotect((void *)(uintptr_t)address, size, PROT_NONE);
}

}  // namespace fake

using namespace fake;

extern "C" apus_fake_card_t apus_fake_card(void) {
    apus_fake_card_t card = {};
    card.name = "NVIDIA GeForce RTX 4070";
    card.capability_major = 8;
    card.capability_minor = 9;
    card.driver_version = 12040;
    card.cards = 1;
    card.memory_bytes = 96 << 20;
    card.shared_bytes = 99 << 10;
    card.nvrtc_major = 12;
    card.nvrtc_minor = 9;
    card.failure = LAUNCH_FAILED;
    return card;
}

namespace fake { uint64_t allocate_block(size_t bytes); void release_block(uint64_t address, size_t bytes); }

extern "C" void apus_fake_reset(const apus_fake_card_t *card) {
    Machine &m = machine();
    std::lock_guard guard(m.lock);
    for (auto &[address, bytes] : m.blocks) release_block(address, bytes);
    for (auto &[address, bytes] : m.pinned) free((void *)address);
    m.blocks.clear();
    m.pinned.clear();
    m.live.clear();
    m.streams.clear();
    m.accesses.clear();
    m.host.clear();
    m.misuses.clear();
    m.counts = {};
    m.enqueued = m.kernels_run = m.launches = m.copies_to_host = 0;
    m.cost = 0;
    m.lost = false;
    m.context = nullptr;
    m.retained = 0;
    m.card = *card;
}

extern "C" void apus_fake_change(const apus_fake_card_t *card) {
    std::lock_guard guard(machine().lock);
    machine().card = *card;
}

extern "C" void *apus_fake_symbol(void *, const char *name) {
    void *found = driver_symbol(name);
    if (!found) found = nvrtc_symbol(name);
    return found ? found : cublaslt_symbol(name);
}

extern "C" const char *apus_fake_misuses(void) { return machine().misuses.c_str(); }
extern "C" apus_fake_counts_t apus_fake_counts(void) { return machine().counts; }
