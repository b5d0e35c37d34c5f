// SPDX-License-Identifier: MIT
import CCUDA
import Compute

/// Page-locked memory that the card copies tensors into while host and card go on.
///
/// Between operations the copies are part of the one stream. Beside them they go through the stream of downloads, behind an
/// event that says where the operations were; `holdBack` makes the operations wait for the event behind the copies.
final class CUDAReadback: Readback, @unchecked Sendable {
    // SAFETY: constants but for `failure`, which `begin` sets before the caller lets another thread call `finish`.
    private let device: CUDADevice
    private let memory: PinnedMemory
    private let begun: CUDAEvent
    private let done: CUDAEvent
    private let isBeside: Bool
    private var failure: CUDAError?
    private var isBegun = false

    var byteCount: Int { memory.byteCount }

    /// - Throws: `CUDAError.call` when the system gives no page-locked memory.
    init(_ device: CUDADevice, byteCount: Int, besideWork: Bool) throws {
        self.device = device
        isBeside = besideWork
        memory = try PinnedMemory(device, byteCount: byteCount)
        begun = try CUDAEvent(device)
        done = try CUDAEvent(device)
    }

    /// The card must not write to memory that was given back.
    deinit { if isBegun { try? done.waitFromAnyThread("finish its work") } }

    func begin(_ tensors: [(tensor: Tensor, offset: Int)]) {
        precondition(!device.isCapturing, "a copy to the host cannot be repeated")
        let stream = isBeside ? device.downloads : device.stream
        if isBeside {
            begun.record(on: device.stream)
            begun.hold(stream)
        }
        for (tensor, offset) in tensors where tensor.byteCount > 0 {
            precondition(offset >= 0 && offset + tensor.byteCount <= byteCount, "a tensor copied outside its room")
            let to = memory.start + offset, bytes = tensor.byteCount
            device.enqueue("give data to the host") {
                $0.copy_to_host(to, apus_cu_address_t(tensor.address), bytes, stream)
            }
        }
        done.record(on: stream)
        isBegun = true
        failure = device.failure
    }

    func holdBack() { if isBeside { done.hold(device.stream) } }

    func finish() throws {
        if let failure { throw failure }
        try done.waitFromAnyThread("give data to the host")
    }

    func read(offset: Int, into piece: UnsafeMutableRawBufferPointer) {
        precondition(offset >= 0 && offset + piece.count <= byteCount, "bytes outside a copy")
        piece.copyMemory(from: UnsafeRawBufferPointer(start: memory.start + offset, count: piece.count))
    }
}
