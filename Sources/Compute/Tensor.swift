// SPDX-License-Identifier: MIT

/// A piece of a device's memory; freed when the last tensor in it is gone.
public final class DeviceMemory: @unchecked Sendable {
    // SAFETY: all stored properties are constants; what the memory holds is ordered by the backend that owns it.
    /// Where it starts: a host address on the CPU, a device address on a GPU.
    public let address: UInt
    /// Size of the whole piece, padding between its tensors included.
    public let byteCount: Int
    private let free: @Sendable (UInt, Int) -> Void

    /// - Parameters:
    ///   - address: where it starts
    ///   - byteCount: its size
    ///   - free: called once with the address and size
    public init(address: UInt, byteCount: Int, free: @escaping @Sendable (UInt, Int) -> Void) {
        self.address = address
        self.byteCount = byteCount
        self.free = free
    }

    deinit { free(address, byteCount) }
}

/// A dense row-major array in device memory.
public struct Tensor: Sendable {
    /// Lives at least as long as this tensor.
    public let memory: DeviceMemory
    /// Bytes from the start of `memory`.
    public let offset: Int
    public let dtype: DType
    /// Row-major: elements of the last dimension are neighbours.
    public let shape: [Int]
    /// Number of elements.
    public let count: Int

    /// - Precondition: the tensor lies within `memory`.
    public init(memory: DeviceMemory, offset: Int, dtype: DType, shape: [Int]) {
        self.memory = memory
        self.offset = offset
        self.dtype = dtype
        self.shape = shape
        count = shape.reduce(1, *)
        precondition(
            offset >= 0 && offset + count * dtype.size <= memory.byteCount,
            "a tensor of \(count) x \(dtype) at byte \(offset) lies outside its \(memory.byteCount) bytes of memory")
    }

    /// Where its first element is: a host address on the CPU, a device address on a GPU.
    public var address: UInt { memory.address + UInt(offset) }
    /// `count` elements of the dtype's size; padding behind them is not counted.
    public var byteCount: Int { count * dtype.size }

    /// The same memory from element `start` on, seen in another shape.
    public func view(_ shape: [Int], start: Int = 0) -> Tensor {
        Tensor(memory: memory, offset: offset + start * dtype.size, dtype: dtype, shape: shape)
    }
}

/// Deals out places in one block of memory before that block exists.
///
/// The model asks for all its tensors first; the sum is what a run will take, printed before anything is allocated.
public struct ArenaPlan: Sendable {
    /// Every tensor starts at a multiple of this: a cache line pair on the CPU, a transaction on a GPU.
    public static let alignment = 256

    /// A reserved place: becomes a tensor when the memory exists.
    public struct Slot: Sendable {
        /// Bytes from the start of the planned memory, a multiple of `ArenaPlan.alignment`.
        public let offset: Int
        public let dtype: DType
        public let shape: [Int]

        /// The tensor at this place of the memory that was allocated for the plan.
        public func tensor(in memory: DeviceMemory) -> Tensor {
            Tensor(memory: memory, offset: offset, dtype: dtype, shape: shape)
        }
    }

    /// Bytes asked for so far.
    public private(set) var byteCount = 0

    public init() {}

    /// Places a tensor behind those reserved before, at the next multiple of `alignment`.
    public mutating func reserve(_ dtype: DType, _ shape: [Int]) -> Slot {
        let slot = Slot(offset: byteCount, dtype: dtype, shape: shape)
        let bytes = shape.reduce(dtype.size, *)
        byteCount += (bytes + Self.alignment - 1) / Self.alignment * Self.alignment
        return slot
    }
}
