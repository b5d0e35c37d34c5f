// SPDX-License-Identifier: MIT
import CCUDA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Page-locked host memory through which all copies go, so that they run beside the host's work.
///
/// It is a ring of segments. A copy to the card fills the next segment and goes on at once; only when every segment is in
/// flight does the host wait for the oldest. So the tokens of the next micro-batch travel while this one computes.
final class Staging {
    private struct Segment {
        let start: UnsafeMutableRawPointer
        /// Recorded behind the last copy that used the segment.
        let event: apus_cu_event_t
        var isBusy = false
    }

    private let device: CUDADevice
    private let memory: UnsafeMutableRawPointer
    private var segments: [Segment] = []
    private var next = 0

    /// Four segments: tokens and targets of two micro-batches.
    private static let count = 4
    static let segmentBytes = 4 << 20

    /// - Throws: `CUDAError` when the system gives no page-locked memory.
    init(_ device: CUDADevice) throws {
        self.device = device
        device.use()
        var pointer: UnsafeMutableRawPointer?
        let bytes = Self.count * Self.segmentBytes
        try device.driver.check(
            device.driver.calls.host_allocate(&pointer, bytes, 0), "lock \(bytes >> 20) MB of host memory (`ulimit -l`)")
        guard let pointer else { throw CUDAError.unsupported("the driver gave no page-locked memory") }
        memory = pointer
        for index in 0..<Self.count {
            var event: apus_cu_event_t?
            let result = device.driver.calls.event_create(&event, UInt32(APUS_CU_EVENT_DISABLE_TIMING))
            guard result == 0, let event else {
                // Everything is set, so that deinit frees what there is.
                try device.driver.check(result == 0 ? 1 : result, "make an event")
                continue
            }
            segments.append(Segment(start: pointer + index * Self.segmentBytes, event: event))
        }
    }

    deinit {
        device.use()
        for segment in segments {
            if segment.isBusy { _ = device.driver.calls.event_synchronize(segment.event) }
            _ = device.driver.calls.event_destroy(segment.event)
        }
        _ = device.driver.calls.host_free(memory)
    }

    /// Copies host bytes to the card in order with its work; the bytes may change afterwards.
    func write(_ bytes: UnsafeRawBufferPointer, to address: UInt) {
        precondition(!device.isCapturing, "a copy from the host cannot be repeated")
        guard let base = bytes.baseAddress else { return }
        var done = 0
        while done < bytes.count, device.failure == nil {
            let piece = min(Self.segmentBytes, bytes.count - done)
            let index = take()
            memcpy(segments[index].start, base + done, piece)
            let start = segments[index].start
            device.enqueue("take data from the host") {
                $0.copy_to_device(apus_cu_address_t(address) + UInt64(done), start, piece, device.stream)
            }
            release(index)
            done += piece
        }
    }

    /// Waits for all work so far, then copies from the card; the next piece travels while one is taken out.
    ///
    /// - Throws: the card's failure; the bytes are then not to be used.
    func read(_ address: UInt, into bytes: UnsafeMutableRawBufferPointer) throws {
        precondition(!device.isCapturing, "a copy to the host cannot be repeated")
        guard let base = bytes.baseAddress else { return try device.synchronize() }
        var asked = 0, pending: [(index: Int, offset: Int, size: Int)] = []
        while device.failure == nil, asked < bytes.count || !pending.isEmpty {
            if asked < bytes.count, pending.count < 2 {
                let piece = min(Self.segmentBytes, bytes.count - asked)
                let index = take(), start = segments[index].start
                device.enqueue("give data to the host") {
                    $0.copy_to_host(start, apus_cu_address_t(address) + UInt64(asked), piece, device.stream)
                }
                release(index)
                pending.append((index, asked, piece))
                asked += piece
            } else {
                let piece = pending.removeFirst()
                wait(piece.index)
                if device.failure == nil { memcpy(base + piece.offset, segments[piece.index].start, piece.size) }
            }
        }
        // An error of earlier work may show only once everything has run.
        try device.synchronize()
    }

    /// The next segment, once its last copy is through.
    private func take() -> Int {
        let index = next
        next = (next + 1) % segments.count
        wait(index)
        return index
    }

    private func wait(_ index: Int) {
        guard segments[index].isBusy else { return }
        let event = segments[index].event
        device.enqueue("finish its work") { $0.event_synchronize(event) }
        segments[index].isBusy = false
    }

    private func release(_ index: Int) {
        let event = segments[index].event
        device.enqueue("mark the end of a copy") { $0.event_record(event, device.stream) }
        segments[index].isBusy = true
    }
}
