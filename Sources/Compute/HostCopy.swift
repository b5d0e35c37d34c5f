// SPDX-License-Identifier: MIT
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A block of host memory that tensors of any device are copied into, one after the other, so that they can be written to a
/// file while the device goes on.
///
/// The block is kept from copy to copy: its size is in the memory plan, and only the first copy pays for its pages.
public final class HostCopy: @unchecked Sendable {
    // SAFETY: the address and size are constants. The owner copies while nothing reads, and lets others read what was
    // copied until the next copy begins.
    private let memory: UnsafeMutableRawBufferPointer
    private let slots: [ArenaPlan.Slot]

    /// Bytes that a copy of tensors with these element counts takes, all float32.
    public static func byteCount(_ counts: [Int]) -> Int {
        var plan = ArenaPlan()
        for count in counts { _ = plan.reserve(.float32, [count]) }
        return plan.byteCount
    }

    /// Room for tensors of these dtypes and shapes.
    public init(_ tensors: [Tensor]) {
        var plan = ArenaPlan()
        slots = tensors.map { plan.reserve($0.dtype, $0.shape) }
        let hugePage = 2 << 20
        memory = .allocate(byteCount: max(plan.byteCount, 1), alignment: plan.byteCount >= hugePage ? hugePage : 4096)
        // Only advice: fewer page faults in the first copy, which holds up training.
        #if os(Linux)
            if let base = memory.baseAddress, plan.byteCount >= hugePage {
                madvise(base, plan.byteCount / hugePage * hugePage, MADV_HUGEPAGE)
            }
        #endif
    }

    deinit { memory.deallocate() }

    /// Copies tensors with the dtypes and shapes that the room was made for, in their order.
    ///
    /// - Throws: what happened to the device.
    public func copy(_ tensors: [Tensor], from backend: any Backend) throws {
        precondition(tensors.count == slots.count, "\(tensors.count) tensors copied into room for \(slots.count)")
        for (tensor, slot) in zip(tensors, slots) { try backend.read(tensor, into: part(slot.offset, tensor.byteCount)) }
    }

    /// Copies `piece.count` bytes that start `offset` bytes into the tensor of this index.
    public func read(_ index: Int, offset: Int, into piece: UnsafeMutableRawBufferPointer) {
        piece.copyMemory(from: UnsafeRawBufferPointer(part(slots[index].offset + offset, piece.count)))
    }

    private func part(_ start: Int, _ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + count])
    }
}
