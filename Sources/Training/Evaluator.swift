// SPDX-License-Identifier: MIT
import Compute
import Corpus
import Foundation
import Modeling

/// A mean loss over the fixed blocks of a split.
public struct Evaluation: Sendable, Equatable {
    /// Nats per token.
    public var loss: Double
    /// Standard error of `loss` over blocks; nil for a single block.
    public var standardError: Double?
    /// Tokens predicted.
    public var tokens: Int
    /// Blocks read: fewer than asked for when the split has fewer.
    public var blocks: Int

    /// Bits per UTF-8 byte of the texts behind the tokens predicted.
    public func bitsPerByte(bytes: Int) -> Double? {
        bytes > 0 ? loss * Double(tokens) / log(2) / Double(bytes) : nil
    }
}

/// Measures a model on the first blocks of a split: the same ones each time, not overlapping, targets shifted by one.
public final class Evaluator {
    private let model: GPT
    private var tokens: [Int32]
    private var targets: [Int32]
    private var losses: [Float]

    /// - Parameter model: its length is the block's length.
    public init(_ model: GPT) {
        self.model = model
        tokens = [Int32](repeating: 0, count: model.sizes.rows)
        targets = tokens
        losses = [Float](repeating: 0, count: model.sizes.rows)
    }

    /// - Parameters:
    ///   - samples: the split
    ///   - blocks: how many to read; fewer when the split has fewer
    ///   - stop: asked between micro-batches; ends the evaluation with what was read
    /// - Returns: nil when not a single block was read.
    /// - Throws: what happened to the device.
    public func evaluate(_ samples: TokenSamples, blocks: Int, stop: () -> Bool = { false }) throws -> Evaluation? {
        let count = min(blocks, samples.evaluationBlocks), batch = model.sizes.batch, length = model.sizes.length
        var means: [Double] = []
        var next = 0
        while next < count, !stop() {
            let used = min(batch, count - next)
            load(samples, first: next, used: used)
            model.evaluateMicroBatch()
            try losses.withUnsafeMutableBytes { try model.weights.backend.read(model.losses, into: $0) }
            for b in 0..<used {
                means.append(losses[b * length..<(b + 1) * length].reduce(0.0) { $0 + Double($1) } / Double(length))
            }
            next += used
        }
        guard !means.isEmpty else { return nil }
        let n = Double(means.count), mean = means.reduce(0, +) / n
        let variance = means.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(n - 1, 1)
        return Evaluation(
            loss: mean, standardError: means.count > 1 ? (variance / n).squareRoot() : nil, tokens: means.count * length,
            blocks: means.count)
    }

    /// Fills a micro-batch; rows past `used` sequences repeat the first and are left out of the loss.
    private func load(_ samples: TokenSamples, first: Int, used: Int) {
        let batch = model.sizes.batch, length = model.sizes.length
        tokens.withUnsafeMutableBufferPointer { tokens in
            targets.withUnsafeMutableBufferPointer { targets in
                guard let tokenBase = tokens.baseAddress, let targetBase = targets.baseAddress else { return }
                for b in 0..<batch {
                    let row = b * length
                    samples.fillEvaluation(
                        block: b < used ? first + b : first, tokens: tokenBase + row, targets: targetBase + row)
                    if b >= used { for i in row..<row + length { targets[i] = -1 } }
                }
                model.load(tokens: UnsafeBufferPointer(tokens), targets: UnsafeBufferPointer(targets))
            }
        }
    }
}
