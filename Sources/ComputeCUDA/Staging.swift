// SPDX-License-Identifier: MIT
import CCUDA

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Page-locked host memory for copies that are in order with the work and large: weights, checkpoints, and all that is read.
///
/// It is a ring of segments. A copy to the card fills the next segment and goes on at once; only when every segment is in
/// flight does the host wait for the oldest. Tokens have a way of their own: `Uploads`.
final class Staging {
    private struct Segment {
        let start: UnsafeMutableRawPointer
        /// Recorded behind the last copy that used the segment.
        let event: CUDAEvent
        var isBusy = false
    }

    private let device: CUDADevice
    private let memory: PinnedMemory
    private var segments: [Segment] = []
    private var next = 0

    private static let count = 4
    static let segmentBytes = 4 << 20

    /// - Throws: `CUDAError` when the system gives no page-locked memory.
    init(_ device: CUDADevice) throws {
        self.device = device
        memory = try PinnedMemory(device, byteCount: Self.count * Self.segmentBytes)
        for index in 0..<Self.count {
            segments.append(Segment(start: memory.start + index * Self.segmentBytes, event: try CUDAEvent(device)))
        }
    }

    deinit { for segment in segments where segment.isBusy { try? segment.event.waitFromAnyThread("finish its work") } }

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
        segments[index].event.wait()
        segments[index].isBusy = false
    }

    private func release(_ index: Int) {
        segments[index].event.record(on: device.stream)
        segments[index].isBusy = true
    }
}
