// SPDX-License-Identifier: MIT
#include "machine.h"

#include <sys/mman.h>

#include <algorithm>

namespace emulated {

thread_local Machine machine;

namespace {
constexpr size_t STACK_BYTES = 128 << 10, MOST_THREADS = 1024;  // pages that are not touched cost no memory
}

Machine::~Machine() {
    if (stacks != nullptr) munmap(stacks, STACK_BYTES * MOST_THREADS);
}

// MARK: Fibers

extern "C" void apus_emulated_switch(void **from, void *to);

// Saves the registers that a called function must keep on the stack, and goes on on another stack.
#if defined(__APPLE__)
#define SWITCH_LABEL ".text\n.p2align 4\n.globl _apus_emulated_switch\n_apus_emulated_switch:\n"
#else
#define SWITCH_LABEL ".text\n.p2align 4\n.globl apus_emulated_switch\napus_emulated_switch:\n"
#endif
#if defined(__x86_64__)
asm(SWITCH_LABEL R"(
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
#elif defined(__aarch64__)
asm(SWITCH_LABEL R"(
    sub sp, sp, #160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
)");
#else
#error "the emulated machine switches stacks on x86-64 and 64-bit ARM only"
#endif

static void leave() { apus_emulated_switch(&machine.current->stack_pointer, machine.main_stack_pointer); }

static std::string place() {
    const Machine &m = machine;
    return "block (" + std::to_string(m.block_index.x) + ", " + std::to_string(m.block_index.y) + "), thread "
        + std::to_string(m.current != nullptr ? m.current->number : 0);
}

void fail(const std::string &what) {
    machine.failed = true;
    machine.message = what + " in " + place();
    leave();
    __builtin_unreachable();
}

static void wait_on(const uint32_t *counter, uint32_t value) {
    machine.current->waiting_on = counter;
    machine.current->waiting_value = value;
    leave();
    machine.current->waiting_on = nullptr;
}

void block_barrier() {
    Machine &m = machine;
    const uint32_t before = m.barriers;
    if (++m.at_barrier == m.alive) {
        m.at_barrier = 0;
        m.barriers++;
    } else {
        wait_on(&m.barriers, before);
    }
}

void warp_barrier(uint64_t collective, const std::function<void(Warp &)> &last) {
    Warp &warp = machine.warp();
    // Every collective here names all 32 lanes.
    if (warp.alive != 32) fail("a collective of all lanes in a warp of which some have ended or never were");
    if (warp.arrived == 0) warp.collective = collective;
    if (warp.collective != collective) fail("lanes of a warp are at different collectives");
    const uint32_t before = warp.generation;
    if (++warp.arrived == warp.alive) {
        last(warp);
        warp.arrived = 0;
        warp.generation++;
    } else {
        wait_on(&warp.generation, before);
    }
}

Operands &next_operands() { return machine.warp().operands[machine.current->collectives++ % 2]; }

static void end_thread() {
    Machine &m = machine;
    if (!m.current->copies.empty()) fail("a thread ended with asynchronous copies that it has not waited for");
    Warp &warp = m.warp();
    m.current->done = true;
    m.alive--;
    warp.alive--;
    if (warp.arrived > 0) fail("a lane ended while its warp waits in a collective");
    if (m.alive > 0 && m.at_barrier == m.alive) {
        m.at_barrier = 0;
        m.barriers++;
    }
    leave();
}

static void thread_main() {
    (*machine.body)();
    end_thread();
}

static void prepare(Fiber &fiber) {
    uint8_t *top = machine.stacks + STACK_BYTES * ((size_t)fiber.number + 1);
#if defined(__x86_64__)
    void **slot = (void **)top;
    *--slot = nullptr;  // where a return address would be, so that the stack is aligned as after a call
    *--slot = (void *)thread_main;
    for (int i = 0; i < 6; i++) *--slot = nullptr;
    fiber.stack_pointer = slot;
#else
    top -= 160;
    memset(top, 0, 160);
    *(void **)(top + 88) = (void *)thread_main;
    fiber.stack_pointer = top;
#endif
}

// MARK: Shared memory

/// Whether an access comes after a thread's of that warp for sure.
static bool ordered(int warp, uint32_t barrier, uint32_t sync) {
    const Machine &m = machine;
    return barrier != m.barriers || (warp == m.current->warp && sync != m.warps[(size_t)warp].syncs);
}

void check_read(uint32_t at, uint32_t bytes) {
    Machine &m = machine;
    const Fiber &me = *m.current;
    const uint32_t syncs = m.warp().syncs;
    for (uint32_t g = at / GRANULE; g <= (at + bytes - 1) / GRANULE; g++) {
        Shadow &s = m.shadows[g];
        if (s.arriving) fail("shared memory is read before the asynchronous copy to it was waited for");
        if (s.writer < 0) fail("shared memory is read that was not written");
        if (s.atomic && s.write_barrier == m.barriers) fail("shared memory is read while others may still add to it");
        if (s.writer != me.number && !ordered(s.writer / 32, s.write_barrier, s.write_sync)) {
            fail("shared memory is read that another thread wrote, without a barrier between");
        }
        if (s.reader == -1 || s.read_barrier != m.barriers) {
            s.reader = (int16_t)me.number;
            s.reader_warp = (int16_t)me.warp;
        } else {
            if (s.reader != me.number) s.reader = MANY;
            if (s.reader_warp != me.warp) s.reader_warp = MANY;
        }
        s.read_barrier = m.barriers;
        s.read_sync = syncs;
    }
}

void check_write(uint32_t at, uint32_t bytes) {
    Machine &m = machine;
    const Fiber &me = *m.current;
    for (uint32_t g = at / GRANULE; g <= (at + bytes - 1) / GRANULE; g++) {
        Shadow &s = m.shadows[g];
        if (s.arriving) fail("shared memory is written while an asynchronous copy to it is under way");
        if (s.atomic && s.write_barrier == m.barriers) fail("shared memory is written while others may still add to it");
        if (s.writer >= 0 && s.writer != me.number && !ordered(s.writer / 32, s.write_barrier, s.write_sync)) {
            fail("shared memory is written that another thread wrote, without a barrier between");
        }
        const bool mine = s.reader == me.number || s.reader == -1;
        if (!mine && s.read_barrier == m.barriers && (s.reader_warp == MANY || !ordered(s.reader_warp, s.read_barrier, s.read_sync))) {
            fail("shared memory is written that another thread may still read, without a barrier between");
        }
        s.atomic = false;
        s.writer = s.plain_writer = (int16_t)me.number;
        s.write_barrier = s.plain_barrier = m.barriers;
        s.write_sync = m.warp().syncs;
    }
}

void check_atomic(uint32_t at, uint32_t bytes) {
    Machine &m = machine;
    const Fiber &me = *m.current;
    for (uint32_t g = at / GRANULE; g <= (at + bytes - 1) / GRANULE; g++) {
        Shadow &s = m.shadows[g];
        if (s.arriving) fail("shared memory is added to while an asynchronous copy to it is under way");
        if (s.writer < 0) fail("shared memory is added to that was not written");
        if (s.plain_writer != me.number && s.plain_barrier == m.barriers) {
            fail("shared memory is added to that another thread wrote, without a barrier between");
        }
        if (s.reader != -1 && s.reader != me.number && s.read_barrier == m.barriers) {
            fail("shared memory is added to that another thread may still read, without a barrier between");
        }
        s.atomic = true;
        s.writer = (int16_t)me.number;
        s.write_barrier = m.barriers;
        s.write_sync = m.warp().syncs;
    }
}

std::pair<uint32_t, uint32_t> static_shared(const void *declaration, size_t bytes) {
    Machine &m = machine;
    const auto known = m.static_places.find(declaration);
    if (known != m.static_places.end()) return known->second;
    const uint32_t begin = (m.dynamic_bytes + m.static_bytes + 15) / 16 * 16, end = begin + (uint32_t)bytes;
    m.static_bytes = end - m.dynamic_bytes;
    if (m.static_bytes > LARGEST_STATIC_SHARED) fail("more static shared memory than a block may have");
    m.shared_memory.resize(std::max(m.shared_memory.size(), (size_t)end), 0xff);
    m.shadows.resize(m.shared_memory.size() / GRANULE + 8);
    return m.static_places[declaration] = {begin, end};
}

void start_copy(uint32_t to, const void *from) {
    Machine &m = machine;
    check_write(to, 16);
    for (uint32_t g = to / GRANULE; g < (to + 16) / GRANULE; g++) m.shadows[g].arriving = true;
    m.current->copies.push_back({to, from, m.current->copy_group});
    if (m.late_copies) return;
    // A copy may arrive at once: what was still to be read there is gone.
    if (from != nullptr) memcpy(&m.shared_memory[to], from, 16);
    else memset(&m.shared_memory[to], 0, 16);
}

void finish_copies(int groups_left) {
    Machine &m = machine;
    Fiber &me = *m.current;
    size_t count = 0;
    for (; count < me.copies.size() && me.copies[count].group < me.copy_group - groups_left; count++) {
        const Copy &copy = me.copies[count];
        if (m.late_copies && copy.from != nullptr) memcpy(&m.shared_memory[copy.to], copy.from, 16);
        if (m.late_copies && copy.from == nullptr) memset(&m.shared_memory[copy.to], 0, 16);
        for (uint32_t g = copy.to / GRANULE; g < (copy.to + 16) / GRANULE; g++) {
            // To the other threads it is as if this one had written now.
            Shadow &s = m.shadows[g];
            s.arriving = false;
            s.writer = s.plain_writer = (int16_t)me.number;
            s.write_barrier = s.plain_barrier = m.barriers;
            s.write_sync = m.warp().syncs;
        }
    }
    me.copies.erase(me.copies.begin(), me.copies.begin() + (ptrdiff_t)count);
}

// MARK: Launches

static void start_block() {
    Machine &m = machine;
    m.alive = m.threads;
    m.at_barrier = 0;
    m.static_bytes = 0;
    m.static_places.clear();
    m.shared_memory.assign(m.dynamic_bytes, 0xff);  // not numbers
    m.shadows.assign(m.dynamic_bytes / GRANULE + 8, Shadow());
    for (int w = 0; w < (int)m.warps.size(); w++) {
        m.warps[(size_t)w].arrived = 0;
        m.warps[(size_t)w].alive = std::min(32, m.threads - 32 * w);
    }
    for (int i = 0; i < m.threads; i++) {
        Fiber &f = m.fibers[(size_t)i];
        f.number = i;
        f.lane = i % 32;
        f.warp = i / 32;
        f.thread = {(uint32_t)i % m.block.x, (uint32_t)i / m.block.x % m.block.y, (uint32_t)i / m.block.x / m.block.y};
        f.done = false;
        f.waiting_on = nullptr;
        f.collectives = 0;
        f.copies.clear();
        f.copy_group = 0;
        prepare(f);
    }
}

/// Runs a warp until all its lanes have ended or wait for the block; false when none could run.
static bool run_warp(int warp) {
    Machine &m = machine;
    bool any = false, progress = true;
    while (progress && !m.failed) {
        progress = false;
        for (int i = 0; i < 32 && !m.failed; i++) {
            const int thread = 32 * warp + (m.reverse ? 31 - i : i);
            if (thread >= m.threads) continue;
            Fiber &f = m.fibers[(size_t)thread];
            if (f.done || (f.waiting_on != nullptr && *f.waiting_on == f.waiting_value)) continue;
            m.current = &f;
            progress = any = true;
            apus_emulated_switch(&m.main_stack_pointer, f.stack_pointer);
        }
    }
    return any;
}

static void run_block() {
    Machine &m = machine;
    start_block();
    const int warps = (int)m.warps.size();
    while (m.alive > 0 && !m.failed) {
        bool any = false;
        for (int w = 0; w < warps && !m.failed; w++) any |= run_warp(m.reverse ? warps - 1 - w : w);
        if (any || m.failed) continue;
        m.failed = true;
        m.message = "threads wait for each other for ever (a barrier or collective that not all reach) in " + place();
    }
}

std::string run(
    Index grid, Index block, size_t dynamic_shared_bytes, bool reverse, bool late_copies, const std::function<void()> &body) {
    Machine &m = machine;
    const uint64_t threads = (uint64_t)block.x * block.y * block.z;
    if (threads == 0 || threads > MOST_THREADS) return "a block of " + std::to_string(threads) + " threads: 1 to 1024 are possible";
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
        return "a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " + std::to_string(grid.z)
            + " blocks: 1 to 2147483647, 65535 and 65535 are possible";
    }
    if (dynamic_shared_bytes > LARGEST_SHARED) {
        return std::to_string(dynamic_shared_bytes) + " bytes of shared memory: some cards have 101376 for a block";
    }
    if (m.stacks == nullptr) {
        void *memory = mmap(
            nullptr, STACK_BYTES * MOST_THREADS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) return "no memory for the threads' stacks";
        m.stacks = (uint8_t *)memory;
    }
    m.grid = grid;
    m.block = block;
    m.threads = (int)threads;
    m.dynamic_bytes = (uint32_t)dynamic_shared_bytes;
    m.reverse = reverse;
    m.late_copies = late_copies;
    m.body = &body;
    m.failed = false;
    m.message.clear();
    m.fibers.resize(std::max(m.fibers.size(), (size_t)threads));
    m.warps.assign((size_t)(threads + 31) / 32, Warp());
    const uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    for (uint64_t i = 0; i < blocks && !m.failed; i++) {
        const uint64_t n = reverse ? blocks - 1 - i : i;
        m.block_index = {(uint32_t)(n % grid.x), (uint32_t)(n / grid.x % grid.y), (uint32_t)(n / grid.x / grid.y)};
        run_block();
    }
    m.current = nullptr;
    return m.message;
}

}  // namespace emulated
