// SPDX-License-Identifier: MIT
import Compute
import Dispatch

/// One float32 or bfloat16 tensor for every parameter, all in one block of memory.
public struct ParameterArena: Sendable {
    /// As given to `init`; the memory has their order.
    public let descriptions: [ParameterDescription]
    /// Same order as `descriptions`.
    public let tensors: [Tensor]
    /// The whole block, padding between tensors included; the padding stays zero.
    public let flat: Tensor
    private let byName: [String: Int]

    /// Bytes that an arena of these parameters takes.
    public static func byteCount(_ descriptions: [ParameterDescription], _ dtype: DType) -> Int {
        var plan = ArenaPlan()
        for description in descriptions { _ = plan.reserve(dtype, description.shape) }
        return plan.byteCount
    }

    /// - Throws: `MemoryError`.
    public init(_ descriptions: [ParameterDescription], dtype: DType, on backend: any Backend) throws {
        var plan = ArenaPlan()
        let slots = descriptions.map { plan.reserve(dtype, $0.shape) }
        let memory = try backend.allocate(byteCount: plan.byteCount)
        self.descriptions = descriptions
        tensors = slots.map { $0.tensor(in: memory) }
        flat = Tensor(memory: memory, offset: 0, dtype: dtype, shape: [plan.byteCount / dtype.size])
        byName = Dictionary(uniqueKeysWithValues: descriptions.enumerated().map { ($1.name, $0) })
    }

    /// The tensor of a parameter, nil when the model has none of that name.
    public subscript(name: String) -> Tensor? { byName[name].map { tensors[$0] } }

    /// The tensor of a parameter that the configuration is known to have.
    func required(_ name: String) -> Tensor {
        guard let index = byName[name] else { preconditionFailure("the model has no parameter '\(name)'") }
        return tensors[index]
    }
}

/// A model's weights: float32 masters and, for bfloat16 training, the copy that matrix products read.
public final class GPTWeights: Sendable {
    public let config: GPTConfig
    /// Where masters and copies are allocated.
    public let backend: any Backend
    /// float32
    public let masters: ParameterArena
    /// bfloat16, each the rounded master; nil in float32.
    public let copies: ParameterArena?

    /// The dtype of matrix products and activations.
    public var dtype: DType { copies == nil ? .float32 : .bfloat16 }

    /// Makes weights of zeros.
    ///
    /// - Parameters:
    ///   - config: the model's sizes
    ///   - dtype: float32 or bfloat16.
    ///   - backend: where they are
    /// - Throws: `MemoryError`.
    public init(_ config: GPTConfig, dtype: DType, on backend: any Backend) throws {
        self.config = config
        self.backend = backend
        masters = try ParameterArena(config.parameters, dtype: .float32, on: backend)
        copies = dtype == .bfloat16 ? try ParameterArena(config.parameters, dtype: .bfloat16, on: backend) : nil
    }

    /// Bytes for masters and copies.
    public static func byteCount(_ config: GPTConfig, dtype: DType) -> Int {
        let parameters = config.parameters
        return ParameterArena.byteCount(parameters, .float32)
            + (dtype == .bfloat16 ? ParameterArena.byteCount(parameters, .bfloat16) : 0)
    }

    /// Gives every parameter its starting value: a function of seed, parameter and element alone.
    public func initialize(seed: UInt64) {
        for (index, description) in config.parameters.enumerated() {
            var values = [Float](repeating: 0, count: description.count)
            switch description.initialization {
            case .zeros: break
            case .ones: for i in values.indices { values[i] = 1 }
            case .normal(let std): Self.fillNormal(&values, std: Float(std), seed: seed, stream: UInt32(index))
            }
            values.withUnsafeBytes { backend.write($0, to: masters.tensors[index]) }
        }
        refreshCopies()
    }

    /// Rounds all masters into the copies; needed after masters were written by hand.
    public func refreshCopies() {
        // One by one: the padding between tensors is counted in bytes, so the two blocks are not laid out alike.
        guard let copies else { return }
        for (master, copy) in zip(masters.tensors, copies.tensors) { backend.convert(from: master, to: copy) }
    }

    /// Box-Muller on Philox words; four values a counter.
    ///
    /// Every value follows from its index alone, so all cores make some: one core takes seconds for a hundred million, which is
    /// most of the time from command to first step on a graphics card.
    private static func fillNormal(_ values: inout [Float], std: Float, seed: UInt64, stream: UInt32) {
        let blocks = (values.count + 3) / 4, part = 1 << 14
        values.withUnsafeMutableBufferPointer { buffer in
            let filled = NormalValues(values: buffer, std: std, seed: seed, stream: stream)
            guard blocks > part else { return filled.fill(blocks: 0..<blocks) }
            DispatchQueue.concurrentPerform(iterations: (blocks + part - 1) / part) { index in
                filled.fill(blocks: index * part..<min(blocks, (index + 1) * part))
            }
        }
    }
}

/// A parameter's values while they are made.
private struct NormalValues: @unchecked Sendable {
    // SAFETY: every thread writes the values of its own blocks, and the buffer outlives them all.
    let values: UnsafeMutableBufferPointer<Float>
    let std: Float
    let seed: UInt64
    let stream: UInt32

    func fill(blocks: Range<Int>) {
        for block in blocks {
            let low = UInt32(truncatingIfNeeded: block), high = UInt32(truncatingIfNeeded: block >> 32)
            // Word 3 of the counter keeps these numbers apart from the dropout masks of the same seed.
            let words = Philox.words(key: seed, counter: (low, high, stream, 0x696e_6974))
            let (a, b) = normalPair(words.0, words.1), (c, d) = normalPair(words.2, words.3), first = 4 * block
            if first + 4 <= values.count {
                values[first] = a * std
                values[first + 1] = b * std
                values[first + 2] = c * std
                values[first + 3] = d * std
            } else {
                for (lane, value) in [a, b, c, d].prefix(values.count - first).enumerated() { values[first + lane] = value * std }
            }
        }
    }
}
