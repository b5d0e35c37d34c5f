// SPDX-License-Identifier: MIT

/// Host memory that a device copies tensors into while host and device go on.
///
/// `begin`, then `finish`, then the bytes may be looked at until the next `begin`. One thread begins; `finish` may be called by
/// another, and after it any thread may read.
public protocol Readback: AnyObject, Sendable {
    /// Size of the memory.
    var byteCount: Int { get }
    /// Enqueues the copies, behind every operation so far; what goes wrong is told by `finish`.
    ///
    /// - Parameter tensors: each with the byte of the memory that its first one goes to
    func begin(_ tensors: [(tensor: Tensor, offset: Int)])
    /// Has the operations enqueued from now on wait, on the device, until the copies are done: comes before one that writes a
    /// tensor that is being copied.
    func holdBack()
    /// Waits until the copies are done.
    ///
    /// - Throws: what happened to the device; the bytes are then not to be used.
    func finish() throws
    /// Copies `piece.count` bytes from byte `offset` on.
    func read(offset: Int, into piece: UnsafeMutableRawBufferPointer)
}

/// The readback of a device whose `read` waits: `begin` has copied when it returns.
final class WaitingReadback: Readback, @unchecked Sendable {
    // SAFETY: the address is constant; `failure` is set by `begin`, after which another thread may call `finish`: the caller
    // orders the two, as the protocol says.
    private let backend: any Backend
    private let memory: UnsafeMutableRawBufferPointer
    private var failure: (any Error)?

    var byteCount: Int { memory.count }

    init(byteCount: Int, on backend: any Backend) {
        self.backend = backend
        memory = HostPages.allocate(byteCount: byteCount)
    }

    deinit { memory.deallocate() }

    func begin(_ tensors: [(tensor: Tensor, offset: Int)]) {
        failure = nil
        do {
            for (tensor, offset) in tensors { try backend.read(tensor, into: part(offset, tensor.byteCount)) }
        } catch { failure = error }
    }

    func holdBack() {}

    func finish() throws { if let failure { throw failure } }

    func read(offset: Int, into piece: UnsafeMutableRawBufferPointer) {
        piece.copyMemory(from: UnsafeRawBufferPointer(part(offset, piece.count)))
    }

    private func part(_ start: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + count])
    }
}
