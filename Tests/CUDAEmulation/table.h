// SPDX-License-Identifier: MIT
// The compiled kernels by name and variant, and how a call's pointers become a function's parameters.
#ifndef APUS_EMULATED_TABLE_H
#define APUS_EMULATED_TABLE_H

#include <utility>
#include <vector>

#include "cuda_emulation.h"
#include "device.h"

struct apus_emulated_entry {
    const char *name;
    int act_bf16;  // -1: does not matter
    int head;      // HEAD_SIZE or HEAD_SLOTS; 0: does not matter
    int threads;   // of a block, as the kernel is compiled for; 0: any whole number of warps up to 512
    int parameters;
    void (*call)(void **args);
};

namespace emulated {

enum { ANY_ACT = -1, ANY_HEAD = 0, ANY_WARPS = 0 };

template <class Function> struct Signature;
template <class... P> struct Signature<void (*)(P...)> {
    static constexpr int count = sizeof...(P);
    template <void (*Kernel)(P...)> static void call(void **args) { call<Kernel>(args, std::index_sequence_for<P...>()); }
    template <void (*Kernel)(P...), size_t... I> static void call(void **args, std::index_sequence<I...>) {
        Kernel(*(P *)args[I]...);
    }
};

template <auto Kernel> apus_emulated_entry entry(const char *name, int act_bf16, int head, int threads) {
    using S = Signature<decltype(Kernel)>;
    return {name, act_bf16, head, threads, S::count, S::template call<Kernel>};
}

/// Each file of kernels gives its own.
std::vector<apus_emulated_entry> element_kernels();
std::vector<apus_emulated_entry> tile_kernels();
std::vector<apus_emulated_entry> row_kernels();
std::vector<apus_emulated_entry> faulty_kernels();
std::vector<apus_emulated_entry> probe_kernels();

}  // namespace emulated

#endif
