// SPDX-License-Identifier: MIT
// The driver's streams, events and graphs.
#include "driver.h"

namespace fake {

static int StreamCreate(Stream **stream, unsigned) {
    READY;
    *stream = m.make<Stream>();
    (*stream)->id = (int)m.streams.size() + 1;
    m.streams.push_back(*stream);
    return SUCCESS;
}
static int StreamDestroy(Stream *stream) {
    LOCKED;
    KNOWN(stream);
    m.drain(stream);
    m.drop(stream, __func__);
    return SUCCESS;
}
static int StreamSynchronize(Stream *stream) {
    READY;
    KNOWN(stream);
    if (forbidden(m, stream, __func__)) return CAPTURE_UNSUPPORTED;
    m.counts.synchronizations++;
    m.drain(stream);
    if (stream == m.streams.front()) m.counts.starvations++;
    merge(m.host, stream->clock);
    return m.lost ? m.card.failure : SUCCESS;
}
static int StreamWaitEvent(Stream *stream, Event *event, unsigned) {
    READY;
    KNOWN(stream);
    KNOWN(event);
    // Waiting for another stream would make that one part of the record.
    if (forbidden(m, stream, __func__)) return CAPTURE_UNSUPPORTED;
    m.counts.waits++;
    // An event that was never recorded is waited for by nobody.
    Stream *other = event->stream;
    const bool ignored = m.card.ignore_waits == (stream == m.streams.front() ? 1 : 2) || m.counts.waits == m.card.ignore_wait;
    if (!other || ignored) return SUCCESS;
    merge(stream->clock, event->clock);
    const long number = event->number;
    return m.enqueue(stream, [=, &m] { m.drain(other, number); });
}

// MARK: Events

static int EventCreate(Event **event, unsigned) {
    READY;
    *event = m.make<Event>();
    return SUCCESS;
}
static int EventDestroy(Event *event) {
    LOCKED;
    return m.drop(event, __func__) ? SUCCESS : INVALID_HANDLE;
}
static int EventRecord(Event *event, Stream *stream) {
    READY;
    KNOWN(event);
    KNOWN(stream);
    if (forbidden(m, stream, __func__)) return CAPTURE_UNSUPPORTED;
    const int result = m.enqueue(stream, [=, &m] { event->cost = m.cost; });
    event->stream = stream;
    event->number = m.enqueued;
    event->clock = stream->clock;
    return result;
}
static int EventSynchronize(Event *event) {
    READY;
    KNOWN(event);
    if (event->stream) {
        if (forbidden(m, event->stream, __func__)) return CAPTURE_UNSUPPORTED;
        m.drain(event->stream, event->number);
        merge(m.host, event->clock);
        if (event->stream == m.streams.front() && event->stream->waiting.empty()) m.counts.starvations++;
    }
    return m.lost ? m.card.failure : SUCCESS;
}
static int EventElapsedTime(float *milliseconds, Event *start, Event *end) {
    READY;
    KNOWN(start);
    KNOWN(end);
    *milliseconds = (float)(end->cost - start->cost);
    return SUCCESS;
}

// MARK: Graphs

static int StreamBeginCapture(Stream *stream, int) {
    READY;
    KNOWN(stream);
    if (m.card.refuse_capture || stream->capturing) return CAPTURE_UNSUPPORTED;
    m.counts.captures++;
    stream->capturing = true;
    stream->invalidated = false;
    stream->captured.clear();
    return SUCCESS;
}
static int StreamEndCapture(Stream *stream, Graph **graph) {
    READY;
    KNOWN(stream);
    *graph = nullptr;
    if (!stream->capturing) return m.misuse("StreamEndCapture: nothing was begun"), INVALID_VALUE;
    stream->capturing = false;
    if (stream->invalidated) return CAPTURE_INVALIDATED;
    *graph = m.make<Graph>();
    (*graph)->work = std::move(stream->captured);
    return SUCCESS;
}
static int GraphInstantiateWithFlags(Graph **exec, Graph *graph, unsigned long long) {
    READY;
    KNOWN(graph);
    *exec = m.make<Graph>();
    (*exec)->work = graph->work;
    m.counts.graphs++;
    return SUCCESS;
}
static int GraphLaunch(Graph *exec, Stream *stream) {
    READY;
    KNOWN(exec);
    KNOWN(stream);
    m.counts.graph_launches++;
    return m.enqueue(stream, [exec, &m] {
        for (auto &work : exec->work) {
            if (!m.lost) work();
        }
    });
}
static int GraphDestroy(Graph *graph) {
    LOCKED;
    return m.drop(graph, __func__) ? SUCCESS : INVALID_HANDLE;
}

void *stream_symbol(const std::string &name) {
#define NAMED(symbol, function) {symbol, (void *)function}
    static const std::map<std::string, void *> symbols = {
        NAMED("cuStreamCreate", StreamCreate), NAMED("cuStreamDestroy_v2", StreamDestroy),
        NAMED("cuStreamSynchronize", StreamSynchronize), NAMED("cuStreamWaitEvent", StreamWaitEvent),
        NAMED("cuEventCreate", EventCreate), NAMED("cuEventDestroy_v2", EventDestroy), NAMED("cuEventRecord", EventRecord),
        NAMED("cuEventSynchronize", EventSynchronize), NAMED("cuEventElapsedTime", EventElapsedTime),
        NAMED("cuStreamBeginCapture_v2", StreamBeginCapture), NAMED("cuStreamEndCapture", StreamEndCapture),
        NAMED("cuGraphInstantiateWithFlags", GraphInstantiateWithFlags), NAMED("cuGraphLaunch", GraphLaunch),
        NAMED("cuGraphExecDestroy", GraphDestroy), NAMED("cuGraphDestroy", GraphDestroy)};
#undef NAMED
    auto found = symbols.find(name);
    return found == symbols.end() ? nullptr : found->second;
}

}  // namespace fake
