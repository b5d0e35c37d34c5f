// SPDX-License-Identifier: MIT

/// The largest finite logit of each block of 64, made in one pass of vector code.
///
/// Whoever looks for the largest logits then looks into few blocks: a vocabulary has 50,257 logits, and the 200 largest lie in
/// 200 of its 786 blocks at most.
struct LogitBlocks {
    private static let length = 64

    /// -infinity for a block without a finite logit.
    let maxima: [Float]
    private let count: Int

    init(_ logits: UnsafeBufferPointer<Float>) {
        count = logits.count
        let blocks = (logits.count + Self.length - 1) / Self.length, whole = logits.count / Self.length
        maxima = [Float](unsafeUninitializedCapacity: blocks) { maxima, filled in
            filled = blocks
            for block in 0..<whole { maxima[block] = Self.maximum(of: logits, from: block * Self.length) }
            guard blocks > whole else { return }
            maxima[whole] = logits[(whole * Self.length)...].reduce(-.infinity) { $1 > $0 && $1 < .infinity ? $1 : $0 }
        }
    }

    /// Of a whole block.
    @inline(__always)
    private static func maximum(of logits: UnsafeBufferPointer<Float>, from start: Int) -> Float {
        guard let first = logits.baseAddress else { return -.infinity }
        let lowest = SIMD16<Float>(repeating: -.infinity)
        var maxima = lowest
        for row in 0..<(length / 16) {
            // SAFETY: the caller's block lies within the logits.
            let logits = UnsafeRawPointer(first + (start &+ row &* 16)).loadUnaligned(as: SIMD16<Float>.self)
            // A comparison with NaN is false.
            let finite = lowest.replacing(with: logits, where: logits .< .infinity)
            maxima.replace(with: finite, where: finite .> maxima)
        }
        let eight = maxima.lowHalf.replacing(with: maxima.highHalf, where: maxima.highHalf .> maxima.lowHalf)
        let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .> eight.lowHalf)
        return four.max()
    }

    /// The logits' indices in a block.
    func indices(of block: Int) -> Range<Int> { block * Self.length..<min((block + 1) * Self.length, count) }

    /// Indices of the finite logits that are at least `floor`, in ascending order.
    func indices(from floor: Float, in logits: UnsafeBufferPointer<Float>) -> [Int] {
        var found: [Int] = []
        for (block, maximum) in maxima.enumerated() where maximum >= floor {
            for index in indices(of: block) where logits[index] >= floor && logits[index] < .infinity { found.append(index) }
        }
        return found
    }
}
