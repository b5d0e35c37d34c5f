// SPDX-License-Identifier: MIT
import Compute
import Foundation

/// Chooses tokens; the choice is a function of (seed, sample, position, logits) alone.
public struct Sampler: Sendable {
    /// All that a choice depends on besides the arguments of `choose`.
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
        if options.temperature == 0 || options.topK == 1 { return Self.likeliest(logits) ?? 0 }
        let blocks = LogitBlocks(logits)
        guard let top = blocks.maxima.max(), top > -.infinity else { return 0 }
        var candidates = Self.candidates(logits, blocks, topK: options.topK, needsOrder: options.topP < 1)
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
        return candidates.last ?? 0
    }

    /// The index of the largest finite logit, the first of equals.
    static func likeliest(_ logits: UnsafeBufferPointer<Float>) -> Int? {
        let blocks = LogitBlocks(logits)
        guard let highest = blocks.maxima.max(), highest > -.infinity, let block = blocks.maxima.firstIndex(of: highest) else {
            return nil
        }
        return blocks.indices(of: block).first { logits[$0] == highest }
    }

    /// The tokens to choose among: all finite ones, or the k likeliest (and those that equal the k-th, as nanoGPT keeps them).
    private static func candidates(
        _ logits: UnsafeBufferPointer<Float>, _ blocks: LogitBlocks, topK: Int, needsOrder: Bool
    ) -> [Int] {
        func ordered(_ chosen: [Int]) -> [Int] { chosen.sorted { (logits[$0], $1) > (logits[$1], $0) } }
        if topK > 0, let few = blocks.maxima.withUnsafeBufferPointer({ threshold($0, count: topK) }) {
            // Each of the k highest blocks has a logit that is at least this, so the k-th largest logit is, too.
            let chosen = ordered(blocks.indices(from: few, in: logits))
            let least = logits[chosen[topK - 1]]
            return Array(chosen.prefix { logits[$0] >= least })
        }
        let least = topK > 0 ? threshold(logits, count: topK) : nil
        guard needsOrder || least != nil else { return logits.indices.filter { logits[$0].isFinite } }
        return ordered(blocks.indices(from: least ?? -Float.greatestFiniteMagnitude, in: logits))
    }

    /// The `count`-th largest finite logit; nil when there are no more than that many.
    ///
    /// A heap holds the largest so far with the least of them on top: of V logits in random order only about count * ln(V / count) get
    /// past it, so one pass of comparisons is nearly all the work. Sorting all 50,257 took 5 ms a token, twice a 40M model's time.
    private static func threshold(_ logits: UnsafeBufferPointer<Float>, count: Int) -> Float? {
        guard count < logits.count else { return nil }
        var heap: [Float] = []
        heap.reserveCapacity(count)
        var index = 0
        while heap.count < count, index < logits.count {
            if logits[index].isFinite { heap.append(logits[index]) }
            index += 1
        }
        heap.sort()  // ascending order is a heap
        var passed = false
        heap.withUnsafeMutableBufferPointer { heap in
            guard heap.count == count else { return }
            var least = heap[0]
            for index in index..<logits.count {
                let logit = logits[index]
                if logit.isFinite { passed = true }
                guard logit > least, logit < .infinity else { continue }
                sink(logit, in: heap)
                least = heap[0]
            }
        }
        return passed ? heap.first : nil
    }

    /// Replaces the top of a heap whose least element is on top.
    private static func sink(_ value: Float, in heap: UnsafeMutableBufferPointer<Float>) {
        var place = 0
        while true {
            var child = 2 * place + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < value else { break }
            heap[place] = heap[child]
            place = child
        }
        heap[place] = value
    }
}
