// SPDX-License-Identifier: MIT
import Compute
import Foundation

/// Chooses tokens; the choice is a function of (seed, sample, position, logits) alone.
public struct Sampler: Sendable {
    public let options: SamplingOptions

    /// A sampler is a function of its options: it keeps no state.
    public init(_ options: SamplingOptions) { self.options = options }

    /// - Parameters:
    ///   - logits: of the tokens that may be chosen; padding rows of the vocabulary are left out by the caller
    ///   - sample: which of the texts this is
    ///   - position: how many tokens the text has
    /// - Returns: an index into `logits`. Logits that are not finite are never chosen, unless all are: then 0.
    /// - Complexity: O(V), plus sorting the tokens that top-k or top-p look at.
    public func choose(_ logits: UnsafeBufferPointer<Float>, sample: Int, position: Int) -> Int {
        guard let best = Self.likeliest(logits) else { return 0 }
        if options.temperature == 0 || options.topK == 1 { return best }
        var candidates = Self.candidates(logits, topK: options.topK, needsOrder: options.topP < 1)
        let top = logits[best]
        var weights = candidates.map { exp(Double(logits[$0] - top) / options.temperature) }
        if options.topP < 1 {
            let total = weights.reduce(0, +)
            var sum = 0.0, kept = 0
            while kept < weights.count, sum < options.topP * total {
                sum += weights[kept]
                kept += 1
            }
            candidates.removeLast(candidates.count - kept)
            weights.removeLast(weights.count - kept)
        }
        let words = Philox.words(
            key: options.seed,
            counter: (UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: sample), 0, 0x7361_6d70))
        // 53 bits: a double's worth.
        let uniform = Double(UInt64(words.0) << 21 ^ UInt64(words.1) >> 11) * 0x1p-53
        var rest = uniform * weights.reduce(0, +)
        for (index, weight) in weights.enumerated() {
            rest -= weight
            if rest < 0 { return candidates[index] }
        }
        return candidates.last ?? best
    }

    /// The index of the largest finite logit, the first of equals.
    static func likeliest(_ logits: UnsafeBufferPointer<Float>) -> Int? {
        var best: Int?
        for (index, logit) in logits.enumerated() where logit.isFinite {
            if let leader = best, logits[leader] >= logit { continue }
            best = index
        }
        return best
    }

    /// The tokens to choose among: all finite ones, or the k likeliest (and those that equal the k-th, as nanoGPT keeps them).
    private static func candidates(_ logits: UnsafeBufferPointer<Float>, topK: Int, needsOrder: Bool) -> [Int] {
        var all = logits.indices.filter { logits[$0].isFinite }
        guard needsOrder || (topK > 0 && topK < all.count) else { return all }
        all.sort { (logits[$0], $1) > (logits[$1], $0) }
        guard topK > 0, topK < all.count else { return all }
        let least = logits[all[topK - 1]]
        return Array(all.prefix { logits[$0] >= least })
    }
}
