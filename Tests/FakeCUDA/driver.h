// SPDX-License-Identifier: MIT
// What the driver's functions share: the context that is current, and the checks that each begins with.
#ifndef APUS_FAKE_DRIVER_H
#define APUS_FAKE_DRIVER_H

#include <array>
#include <cstdlib>
#include <cstring>

#include "machine.h"

namespace fake {

/// The context of the calling thread.
extern thread_local const void *current;

uint64_t allocate_block(size_t bytes);
void release_block(uint64_t address, size_t bytes);

#define LOCKED                       \
    Machine &m = machine();          \
    std::lock_guard guard(m.lock)

/// For functions that need a context and a card that is there.
#define READY                                               \
    LOCKED;                                                 \
    if (!m.context || current != m.context) {               \
        m.misuse(std::string(__func__) + ": no context is current"); \
        return INVALID_CONTEXT;                             \
    }                                                       \
    if (m.lost) return m.card.failure

#define KNOWN(handle)                                       \
    if (!m.knows(handle, __func__)) return INVALID_HANDLE

/// What must not happen between the begin and the end of a capture.
inline bool forbidden(Machine &m, Stream *stream, const char *what) {
    if (!stream->capturing) return false;
    m.misuse(std::string(what) + ": not allowed while the stream is captured");
    stream->invalidated = true;
    return true;
}

/// Functions by name.
void *stream_symbol(const std::string &name);

}  // namespace fake

#endif
