// SPDX-License-Identifier: MIT
// What the kernels' text takes from CUDA, and the primitives that prelude.cu writes in PTX, on the emulated machine.
// Fragment layouts follow "PTX ISA", sections 9.7.14.5 (mma.m16n8k16, bfloat16) and 9.7.14.5.15 (ldmatrix).
#ifndef APUS_EMULATED_DEVICE_H
#define APUS_EMULATED_DEVICE_H

#include <math.h>

#include "machine.h"

#define APUS_EMULATED 1

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long i64;

#define DEVICE [[maybe_unused]] static inline
#define KERNEL(threads) [[maybe_unused]] static void
#define UNROLL
#define KEEP_LOOP

#define threadIdx (emulated::machine.current->thread)
#define blockIdx (emulated::machine.block_index)
#define blockDim (emulated::machine.block)
#define gridDim (emulated::machine.grid)

static inline int min(int a, int b) { return a < b ? a : b; }
static inline int max(int a, int b) { return a > b ? a : b; }

// MARK: Shared memory

/// An element of shared memory; reading and writing it is checked.
template <class T> struct shared_element {
    u32 at;

    operator T() const {
        emulated::check_read(at, sizeof(T));
        T value;
        memcpy(&value, &emulated::machine.shared_memory[at], sizeof(T));
        return value;
    }
    T operator=(T value) const {
        emulated::check_write(at, sizeof(T));
        memcpy(&emulated::machine.shared_memory[at], &value, sizeof(T));
        return value;
    }
    T operator=(const shared_element &other) const { return *this = (T)other; }
    T operator+=(T value) const { return *this = (T)*this + value; }
    shared_element(u32 at) : at(at) {}
    shared_element(const shared_element &) = default;
};

/// A pointer into shared memory that knows where its array begins and ends.
template <class T> struct shared {
    i64 at;
    u32 begin, end;

    shared operator+(i64 elements) const { return {at + elements * (i64)sizeof(T), begin, end}; }
    shared_element<T> operator[](i64 element) const { return shared_element<T>((*this + element).checked(sizeof(T), sizeof(T))); }
    u32 checked(u32 bytes, u32 alignment) const {
        if (at < begin || at + bytes > end) emulated::fail("an address outside of its array in shared memory");
        if (at % alignment != 0) emulated::fail("a misaligned address in shared memory");
        return (u32)at;
    }
};

template <class T, class U> static inline shared<T> shared_cast(shared<U> pointer) {
    return {pointer.at, pointer.begin, pointer.end};
}
template <class T> static inline shared<T> static_shared(const void *declaration, size_t count) {
    const auto place = emulated::static_shared(declaration, count * sizeof(T));
    return {place.first, place.first, place.second};
}
#define SHARED(T, name, count) \
    static char name##_declaration; \
    const shared<T> name = static_shared<T>(&name##_declaration, count)
#define DYNAMIC_SHARED(T) (shared<T>{0, 0, emulated::machine.dynamic_bytes})

/// A thread runs until it waits, so that nothing comes between.
template <class T> static inline T atomic_add(shared<T> to, T value) {
    const u32 at = to.checked(sizeof(T), sizeof(T));
    emulated::check_atomic(at, sizeof(T));
    T before;
    memcpy(&before, &emulated::machine.shared_memory[at], sizeof(T));
    const T after = before + value;
    memcpy(&emulated::machine.shared_memory[at], &after, sizeof(T));
    return before;
}

// MARK: Numbers

struct bf16 {
    u16 bits;
};
struct words2 {
    u32 x, y;
};
struct words4 {
    u32 x, y, z, w;
};

static inline float float_of(u32 bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}
static inline u32 __float_as_uint(float value) {
    u32 bits;
    memcpy(&bits, &value, 4);
    return bits;
}
static inline bf16 to_bf16(float x) {
    const u32 bits = __float_as_uint(x);
    if (x != x) return {0x7fff};
    return {(u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
static inline u32 pack_bf16(float low, float high) { return (u32)to_bf16(low).bits | (u32)to_bf16(high).bits << 16; }
static inline float fast_exp2(float x) {
    const float result = exp2f(x);
    return result < 1.17549435e-38f ? 0 : result;
}
static inline u64 __umul64hi(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
static inline int __popc(u32 bits) { return __builtin_popcount(bits); }

// MARK: Global memory

template <class W, class T> static inline W load_words(const T *from) {
    if ((uintptr_t)from % sizeof(W) != 0) emulated::fail("a misaligned load from global memory");
    W words;
    memcpy(&words, from, sizeof(W));
    return words;
}
template <class W, class T> static inline void store_words(T *to, W words) {
    if ((uintptr_t)to % sizeof(W) != 0) emulated::fail("a misaligned store to global memory");
    memcpy((void *)to, &words, sizeof(W));
}
template <class T> static inline words2 load8(const T *from) { return load_words<words2>(from); }
template <class T> static inline words4 load16(const T *from) { return load_words<words4>(from); }
template <class T> static inline void store4(T *to, u32 words) { store_words(to, words); }
template <class T> static inline void store8(T *to, words2 words) { store_words(to, words); }
template <class T> static inline void store16(T *to, words4 words) { store_words(to, words); }

static inline void add_fragment(float *sums, const float (&c)[4]) {
    for (int e = 0; e < 4; e++) sums[32 * e + emulated::machine.current->lane] += c[e];
}
static inline void load_fragment(float (&c)[4], const float *sums) {
    for (int e = 0; e < 4; e++) c[e] = sums[32 * e + emulated::machine.current->lane];
}

// MARK: Barriers and collectives

enum {
    COLLECTIVE_SYNC = 1,
    COLLECTIVE_BALLOT,
    COLLECTIVE_MMA,
    COLLECTIVE_MATRICES,
    COLLECTIVE_TRANSPOSED,
    COLLECTIVE_SHUFFLE = 16,  // plus the distance
};

static inline void __syncthreads() { emulated::block_barrier(); }
static inline void __syncwarp() {
    emulated::warp_barrier(COLLECTIVE_SYNC, [](emulated::Warp &warp) { warp.syncs++; });
}

static inline void require_all(u32 mask) {
    if (mask != 0xffffffffu) emulated::fail("a collective of some lanes only, which the kernels here do not use");
}
template <class T> static inline T shuffle(T value, int source, u64 collective) {
    emulated::Operands &operands = emulated::next_operands();
    uint64_t &mine = operands.value[emulated::machine.current->lane];
    mine = 0;
    memcpy(&mine, &value, sizeof(T));
    emulated::warp_barrier(collective, [](emulated::Warp &) {});
    T result;
    memcpy(&result, &operands.value[source & 31], sizeof(T));
    return result;
}
template <class T> static inline T __shfl_xor_sync(u32 mask, T value, int distance) {
    require_all(mask);
    return shuffle(value, emulated::machine.current->lane ^ distance, (u64)COLLECTIVE_SHUFFLE + (u64)distance);
}
template <class T> static inline T __shfl_sync(u32 mask, T value, int source) {
    require_all(mask);
    return shuffle(value, source, COLLECTIVE_SHUFFLE);
}
static inline u32 __ballot_sync(u32 mask, bool vote) {
    require_all(mask);
    emulated::Operands &operands = emulated::next_operands();
    operands.value[emulated::machine.current->lane] = vote;
    emulated::warp_barrier(COLLECTIVE_BALLOT, [](emulated::Warp &) {});
    u32 votes = 0;
    for (int lane = 0; lane < 32; lane++) votes |= (u32)operands.value[lane] << lane;
    return votes;
}

// MARK: Tensor cores

static inline void multiply_fragments(emulated::Operands &operands) {
    float a[16][16], b[8][16];
    for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4 * 2;
        for (int r = 0; r < 4; r++) {
            const u32 word = operands.a[lane][r];
            a[g + r % 2 * 8][t + r / 2 * 8] = float_of(word << 16);
            a[g + r % 2 * 8][t + r / 2 * 8 + 1] = float_of(word & 0xffff0000u);
        }
        for (int r = 0; r < 2; r++) {
            const u32 word = operands.b[lane][r];
            b[g][t + r * 8] = float_of(word << 16);
            b[g][t + r * 8 + 1] = float_of(word & 0xffff0000u);
        }
    }
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 8; j++) {
            float sum = 0;
            for (int k = 0; k < 16; k++) sum += a[i][k] * b[j][k];
            operands.product[i][j] = sum;
        }
    }
}

static inline void mma(float (&c)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    emulated::Operands &operands = emulated::next_operands();
    const int lane = emulated::machine.current->lane, g = lane / 4, t = lane % 4 * 2;
    memcpy(operands.a[lane], a, sizeof a);
    operands.b[lane][0] = b0;
    operands.b[lane][1] = b1;
    emulated::warp_barrier(COLLECTIVE_MMA, [&operands](emulated::Warp &) { multiply_fragments(operands); });
    c[0] += operands.product[g][t];
    c[1] += operands.product[g][t + 1];
    c[2] += operands.product[g + 8][t];
    c[3] += operands.product[g + 8][t + 1];
}

static inline void gather_matrices(u32 (&r)[4], shared<bf16> row, bool transposed) {
    emulated::Operands &operands = emulated::next_operands();
    const int lane = emulated::machine.current->lane;
    const u32 at = row.checked(16, 16);
    emulated::check_read(at, 16);
    operands.address[lane] = &emulated::machine.shared_memory[at];
    emulated::warp_barrier(transposed ? COLLECTIVE_TRANSPOSED : COLLECTIVE_MATRICES, [](emulated::Warp &) {});
    const auto element = [&](int matrix, int row, int column) {
        u16 bits;
        memcpy(&bits, operands.address[8 * matrix + row] + 2 * column, 2);
        return (u32)bits;
    };
    for (int i = 0; i < 4; i++) {
        const int major = lane / 4, minor = lane % 4 * 2;
        r[i] = transposed ? element(i, minor, major) | element(i, minor + 1, major) << 16
                          : element(i, major, minor) | element(i, major, minor + 1) << 16;
    }
}
static inline void load_matrices(u32 (&r)[4], shared<bf16> row) { gather_matrices(r, row, false); }
static inline void load_matrices_transposed(u32 (&r)[4], shared<bf16> row) { gather_matrices(r, row, true); }

// MARK: Asynchronous copies

static inline void copy_async16(shared<bf16> to, const bf16 *from, bool wanted) {
    if ((uintptr_t)from % 16 != 0) emulated::fail("an asynchronous copy from a misaligned address");
    emulated::start_copy(to.checked(16, 16), wanted ? from : nullptr);
}
static inline void commit_copies() { emulated::machine.current->copy_group++; }
template <int N> static inline void wait_copies() { emulated::finish_copies(N); }

#endif
