// SPDX-License-Identifier: MIT

/// What several processes training one model do together; every call is made by all ranks in the same order.
public protocol Communicator: Sendable {
    /// This process, from 0.
    var rank: Int { get }
    /// Number of processes.
    var size: Int { get }
    /// Replaces a float32 or float64 tensor by its sum over all ranks, added in rank order on every one.
    func allReduceSum(_ tensor: Tensor)
}

/// One process alone.
public struct SingleRank: Communicator {
    public init() {}
    public var rank: Int { 0 }
    public var size: Int { 1 }
    public func allReduceSum(_ tensor: Tensor) {}
}
