// SPDX-License-Identifier: MIT

/// Pseudo-random numbers as a pure function of their coordinates, so that any thread can compute any of them.
///
/// Each coordinate is absorbed by the finalizer of SplitMix64, a bijection of 64 bits that passes BigCrush.
/// - Note: Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
package enum CounterHash {
    /// Uniform 64 bits of (seed, stream, counter).
    package static func value(_ seed: UInt64, _ stream: UInt64, _ counter: UInt64) -> UInt64 {
        mix(mix(mix(seed) ^ stream) ^ counter)
    }

    /// Uniform in 0..<bound, of (seed, stream, counter); 0 when the bound is below 1.
    ///
    /// The high half of a 64 x 64 bit product; its bias is below bound / 2^64.
    package static func below(_ bound: Int, _ seed: UInt64, _ stream: UInt64, _ counter: UInt64) -> Int {
        guard bound > 0 else { return 0 }
        return Int(value(seed, stream, counter).multipliedFullWidth(by: UInt64(bound)).high)
    }

    /// SplitMix64: the golden-ratio step (so that 0 is not a fixed point) and the finalizer.
    @inline(__always) package static func mix(_ x: UInt64) -> UInt64 {
        var z = x &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A pseudo-random permutation of 0..<count that is computed element by element, without memory.
///
/// A balanced Feistel network permutes 0..<4^k, the smallest such range that holds `count`; an image outside
/// 0..<count is fed in again until it falls inside ("cycle walking"). Both are bijections, so the result is one:
/// walking from an element of 0..<count always returns, at the latest to where it began. It takes below 4 tries on average.
/// - Note: Source: Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002.
package struct Permutation: Sendable {
    package let count: Int
    private let halfBits: UInt64
    private let mask: UInt64
    private let keys: [UInt64]
    /// Four rounds make a Feistel network a strong pseudo-random permutation of a large range
    /// (Luby and Rackoff 1988); small ranges need a few more.
    private static let rounds = 8

    /// - Parameters:
    ///   - count: the size of the range; below 1 it is taken as 1.
    ///   - key: chooses the permutation.
    package init(count: Int, key: UInt64) {
        self.count = max(count, 1)
        let bits = UInt64(Int.bitWidth - (self.count - 1).leadingZeroBitCount)
        halfBits = max((bits + 1) / 2, 1)
        mask = (1 << halfBits) - 1
        keys = (0..<Self.rounds).map { CounterHash.value(key, 0xFE15, UInt64($0)) }
    }

    /// The image of an element; an index outside the range is first taken modulo `count`.
    package subscript(index: Int) -> Int {
        let start = ((index % count) + count) % count
        var x = UInt64(start)
        repeat {
            var left = x >> halfBits, right = x & mask
            for key in keys { (left, right) = (right, left ^ (CounterHash.mix(right ^ key) & mask)) }
            x = left << halfBits | right
        } while x >= UInt64(count)
        return Int(x)
    }
}
