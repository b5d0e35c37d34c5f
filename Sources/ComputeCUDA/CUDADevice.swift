// SPDX-License-Identifier: MIT
import CCUDA
import Compute

/// A card in use: its context, its streams, and the first thing that went wrong on it.
///
/// Work is enqueued without waiting, so a failure shows in some later call. The first is kept; from then on nothing is
/// enqueued, and whoever waits for a result gets the failure instead.
final class CUDADevice: @unchecked Sendable {
    // SAFETY: constants but for `failure`, `captureFailure` and `isCapturing`, which the one thread that drives the backend uses.
    let driver: Driver
    let card: CUDACard
    /// All operations, in order.
    let stream: apus_cu_stream_t
    /// Copies of tokens to the card, beside the operations.
    let uploads: apus_cu_stream_t
    /// Copies of weights and moments to the host, beside the operations. Not on the stream above: there they would hold up tokens.
    let downloads: apus_cu_stream_t
    private let context: apus_cu_context_t
    private(set) var failure: CUDAError?
    /// Between `beginCapture` and `endCapture`: calls are recorded and not run.
    private(set) var isCapturing = false
    private var captureFailure: CUDAError?

    /// - Throws: `CUDAError` when the card gives no context or streams.
    init(_ driver: Driver, _ card: CUDACard) throws {
        self.driver = driver
        self.card = card
        var context: apus_cu_context_t?
        try driver.check(driver.calls.context_retain(&context, card.handle), "open \(card.name)")
        var streams: [apus_cu_stream_t] = []
        var what = "open \(card.name)"
        var result = apus_cu_result_t(APUS_CU_UNKNOWN)
        if let context {
            result = driver.use(context)
            what = "make a stream on \(card.name)"
            while result == 0, streams.count < 3 {
                var stream: apus_cu_stream_t?
                result = driver.calls.stream_create(&stream, UInt32(APUS_CU_STREAM_NON_BLOCKING))
                guard let stream else { break }
                streams.append(stream)
            }
        }
        guard result == 0, let context, streams.count == 3 else {
            for stream in streams { _ = driver.calls.stream_destroy(stream) }
            if context != nil { _ = driver.calls.context_release(card.handle) }
            try driver.check(result == 0 ? apus_cu_result_t(APUS_CU_UNKNOWN) : result, what)
            throw CUDAError.noDevice(reason: what)
        }
        self.context = context
        (stream, uploads, downloads) = (streams[0], streams[1], streams[2])
    }

    deinit {
        _ = driver.use(context)
        for each in [stream, uploads, downloads] {
            _ = driver.calls.stream_synchronize(each)
            _ = driver.calls.stream_destroy(each)
        }
        _ = driver.calls.context_release(card.handle)
    }

    // MARK: Calls

    /// Makes the context the calling thread's.
    func use() { _ = driver.use(context) }

    /// Makes a call that only enqueues; keeps the first failure, and does nothing after one.
    func enqueue(_ what: @autoclosure () -> String, _ call: (apus_cuda_driver_t) -> apus_cu_result_t) {
        guard failure == nil, captureFailure == nil else { return }
        use()
        let result = call(driver.calls)
        if result != 0 { fail(error(result, what())) }
    }

    /// Keeps a failure unless there is one already.
    func fail(_ error: CUDAError) {
        if isCapturing {
            if captureFailure == nil { captureFailure = error }
        } else if failure == nil {
            failure = error
        }
    }

    /// Waits for all work.
    ///
    /// - Throws: the first failure.
    func synchronize() throws {
        enqueue("finish its work") { $0.stream_synchronize(stream) }
        if let failure { throw failure }
    }

    /// What a result other than success means in the middle of the work.
    func error(_ result: apus_cu_result_t, _ what: String) -> CUDAError {
        Int(result) == APUS_CU_OUT_OF_MEMORY
            ? .outOfMemory(what: what) : .cardLost(what: what, code: driver.code(result), text: driver.text(result))
    }

    // MARK: Capture

    /// Records what `enqueue` sends to the stream instead of running it.
    ///
    /// - Returns: nil when the driver cannot record it; then nothing of it has run.
    func capture(_ enqueue: () -> Void) -> CUDAGraph? {
        use()
        guard failure == nil, driver.calls.capture_begin(stream, Int32(APUS_CU_CAPTURE_THREAD_LOCAL)) == 0 else { return nil }
        isCapturing = true
        enqueue()
        isCapturing = false
        var graph: apus_cu_graph_t?
        let ended = driver.calls.capture_end(stream, &graph)
        let isComplete = ended == 0 && captureFailure == nil
        captureFailure = nil
        guard let graph else { return nil }
        defer { _ = driver.calls.graph_destroy(graph) }
        var exec: apus_cu_graph_exec_t?
        guard isComplete, driver.calls.graph_instantiate(&exec, graph, 0) == 0, let exec else { return nil }
        return CUDAGraph(self, exec)
    }
}

/// Recorded work that can be launched again and again.
final class CUDAGraph {
    private let device: CUDADevice
    private let exec: apus_cu_graph_exec_t

    init(_ device: CUDADevice, _ exec: apus_cu_graph_exec_t) {
        self.device = device
        self.exec = exec
    }

    deinit {
        device.use()
        // The driver keeps what is still running until it has run.
        _ = device.driver.calls.graph_exec_destroy(exec)
    }

    func launch() { device.enqueue("launch a recorded step") { $0.graph_launch(exec, device.stream) } }
}
