// SPDX-License-Identifier: MIT
// A graphics card made of host memory: the driver, NVRTC and cuBLASLt functions that the engine calls, for tests.
//
// Kernels run through Tests/CUDAEmulation. Work waits in its stream until somebody waits for it, as on a card, so a host or a
// stream that reads or writes too early gets wrong numbers. What a real driver would refuse or what would corrupt memory (unknown
// handles, addresses outside an allocation, waiting during a capture, two streams that use the same memory without waiting for
// each other) is noted in a list of misuses that tests require to be empty. Races are found by vector clocks, so they are found
// whatever order the work happens to run in: copies and products are known by their ranges, a kernel by the start of each
// parameter, which its text says is read or written.
//
// There is one card a process: tests that use it run one after the other.
#ifndef APUS_FAKE_CUDA_H
#define APUS_FAKE_CUDA_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What the card is like, and what goes wrong with it.
typedef struct {
    const char *_Nonnull name;
    int capability_major, capability_minor;
    int driver_version;  ///< such as 12040
    int cards;
    size_t memory_bytes;
    size_t used_bytes;         ///< taken by others from the start
    size_t shared_bytes;       ///< most dynamic shared memory of a block
    int nvrtc_major, nvrtc_minor;
    int initialize_result;     ///< of cuInit
    int reverse;               ///< run kernels' threads last first, with asynchronous copies arriving late
    int eager;                 ///< run work when it is enqueued instead of when it is waited for
    int refuse_capture;        ///< cuStreamBeginCapture fails
    int compile_error;         ///< nvrtcCompileProgram fails
    int host_memory_error;     ///< cuMemHostAlloc fails
    int ignore_waits;          ///< cuStreamWaitEvent does nothing: 1 on the first stream, 2 on the others
    long ignore_wait;          ///< the cuStreamWaitEvent of this number (from 1) does nothing
    long lose_copy;            ///< the card is lost in the copy to the host of this number (from 1)
    int propose_nothing;       ///< cuBLASLt has no algorithm
    long fail_launch;          ///< the launch of this number (from 1) is refused with `failure`
    long lose_card;            ///< kernels run until this many have; then every wait fails with `failure`, for ever
    int failure;               ///< CUresult
} apus_fake_card_t;

/// A card as most tests want it: an "RTX 4070" of 64 MB.
apus_fake_card_t apus_fake_card(void);

/// Makes everything as after a restart, with this card; whatever was left of the last one is forgotten.
void apus_fake_reset(const apus_fake_card_t *_Nonnull card);
/// Changes what goes wrong from now on.
void apus_fake_change(const apus_fake_card_t *_Nonnull card);

/// An `apus_symbols_t`: the fake function of a name, whatever `source` is.
void *_Nullable apus_fake_symbol(void *_Nullable source, const char *_Nonnull name);

/// Sentences about what a real card would not have taken, one a line; empty when all was well.
const char *_Nonnull apus_fake_misuses(void);

/// How often things happened since the reset.
typedef struct {
    long kernels, products, graph_launches, graphs, captures, compilations, heuristics, allocations, synchronizations,
        waits,               ///< of one stream for another
        starvations;         ///< waits of the host after which the first stream had nothing left to do
    size_t allocated_bytes;  ///< now
    size_t pinned_bytes;     ///< page-locked host memory, now
    long live_handles;       ///< streams, events, modules, graphs, descriptors that were not destroyed
} apus_fake_counts_t;
apus_fake_counts_t apus_fake_counts(void);

#ifdef __cplusplus
}
#endif

#endif
