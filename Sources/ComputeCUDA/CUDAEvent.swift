// SPDX-License-Identifier: MIT
import CCUDA

/// A point in a stream's work that the host or another stream can wait for.
final class CUDAEvent {
    private let device: CUDADevice
    let handle: apus_cu_event_t

    /// - Throws: `CUDAError.call`.
    init(_ device: CUDADevice) throws {
        device.use()
        var event: apus_cu_event_t?
        try device.driver.check(device.driver.calls.event_create(&event, UInt32(APUS_CU_EVENT_DISABLE_TIMING)), "make an event")
        guard let event else { throw CUDAError.unsupported("the driver gave no event") }
        self.device = device
        handle = event
    }

    deinit {
        device.use()
        _ = device.driver.calls.event_destroy(handle)
    }

    /// Behind everything that is in the stream now.
    func record(on stream: apus_cu_stream_t) {
        let handle = handle
        device.enqueue("mark the end of a copy") { $0.event_record(handle, stream) }
    }

    /// Has what is enqueued in a stream from now on wait for the point last recorded; the host does not wait.
    func hold(_ stream: apus_cu_stream_t) {
        let handle = handle
        device.enqueue("order its streams") { $0.stream_wait_event(stream, handle, 0) }
    }

    /// The host waits. For the thread that drives the device: a failure is kept by it.
    func wait() {
        let handle = handle
        device.enqueue("finish its work") { $0.event_synchronize(handle) }
    }

    /// The host waits, on any thread; the device's own record of failures is left alone.
    ///
    /// - Throws: `CUDAError` when the card failed.
    func waitFromAnyThread(_ what: String) throws {
        device.use()
        let result = device.driver.calls.event_synchronize(handle)
        if result != 0 { throw device.error(result, what) }
    }
}
