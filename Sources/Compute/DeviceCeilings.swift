// SPDX-License-Identifier: MIT

/// What a device reaches at most, measured on it: the denominators of a benchmark.
public struct DeviceCeilings: Sendable, Equatable {
    /// FLOP/s of products between registers, all units together, in the dtype asked for; nil when unknown.
    public var registerFlops: Double?
    /// Bytes/s that can be read from memory much larger than the caches; nil when unknown.
    public var readBytesPerSecond: Double?

    public init(registerFlops: Double? = nil, readBytesPerSecond: Double? = nil) {
        self.registerFlops = registerFlops
        self.readBytesPerSecond = readBytesPerSecond
    }
}

/// A backend that can tell what its device reaches at most.
public protocol CeilingMeasuring {
    /// - Parameters:
    ///   - dtype: float32 or bfloat16, of the operands; sums are float32
    ///   - seconds: how long to measure each
    func measureCeilings(dtype: DType, seconds: Double) -> DeviceCeilings
}
