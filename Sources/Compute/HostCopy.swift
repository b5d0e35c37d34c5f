// SPDX-License-Identifier: MIT
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A block of host memory that tensors of any device are copied into, one behind the other, so that they can be written to a
/// file while the device goes on.
///
/// The block is kept from copy to copy: its size is in the memory plan, and only the first copy pays for its pages.
public final class HostCopy: Sendable {
    private let readback: any Readback
    private let slots: [ArenaPlan.Slot]

    /// Bytes that a copy of tensors with these element counts takes, all float32.
    public static func byteCount(_ counts: [Int]) -> Int {
        var plan = ArenaPlan()
        for count in counts { _ = plan.reserve(.float32, [count]) }
        return plan.byteCount
    }

    /// Room for tensors of these dtypes and shapes.
    ///
    /// - Throws: `MemoryError` when the system does not give it.
    public init(_ tensors: [Tensor], on backend: any Backend) throws {
        var plan = ArenaPlan()
        slots = tensors.map { plan.reserve($0.dtype, $0.shape) }
        readback = try backend.makeReadback(byteCount: max(plan.byteCount, 1), besideWork: true)
    }

    /// Begins to copy tensors with the dtypes and shapes that the room was made for, in their order.
    ///
    /// A device that works ahead goes on meanwhile: `holdBack` comes before anything that changes the tensors.
    public func begin(_ tensors: [Tensor]) {
        precondition(tensors.count == slots.count, "\(tensors.count) tensors copied into room for \(slots.count)")
        readback.begin(zip(tensors, slots).map { ($0, $1.offset) })
    }

    /// Has the device's next operations wait until the copy is done.
    public func holdBack() { readback.holdBack() }

    /// Waits until the copy is done. Any thread may call it, and `read` after it.
    ///
    /// - Throws: what happened to the device.
    public func finish() throws { try readback.finish() }

    /// Copies `piece.count` bytes that start `offset` bytes into the tensor of this index.
    public func read(_ index: Int, offset: Int, into piece: UnsafeMutableRawBufferPointer) {
        readback.read(offset: slots[index].offset + offset, into: piece)
    }
}

/// Large blocks of host memory.
enum HostPages {
    private static let hugePage = 2 << 20

    static func allocate(byteCount: Int) -> UnsafeMutableRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(byteCount, 1), alignment: byteCount >= hugePage ? hugePage : 4096)
        // Only advice: fewer page faults in the first copy, which holds up training.
        #if os(Linux)
            if let base = memory.baseAddress, byteCount >= hugePage {
                madvise(base, byteCount / hugePage * hugePage, MADV_HUGEPAGE)
            }
        #endif
        return memory
    }
}
