// SPDX-License-Identifier: MIT

/// The largest absolute difference of two arrays over the largest magnitude of the second; infinite for NaN or other lengths.
public func relativeError(_ actual: [Float], _ expected: [Float]) -> Double {
    guard actual.count == expected.count, !expected.isEmpty else { return .infinity }
    var difference = 0.0, magnitude = 0.0
    for (a, e) in zip(actual, expected) {
        if a.isNaN != e.isNaN || !a.isFinite { return .infinity }
        difference = max(difference, abs(Double(a) - Double(e)))
        magnitude = max(magnitude, abs(Double(e)))
    }
    return difference / max(magnitude, 1e-30)
}

/// A small generator with a seed, for test data (SplitMix64, Steele et al. 2014).
public struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    public init(_ seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    public mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }
}
