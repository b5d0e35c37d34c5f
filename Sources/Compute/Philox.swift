// SPDX-License-Identifier: MIT

/// Philox4x32-10: random words as a pure function of a key and a counter.
///
/// - Note: Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 4.3.
public enum Philox {
    /// The four 32-bit words that one call gives.
    public typealias Words = (UInt32, UInt32, UInt32, UInt32)

    /// The four random words of a counter under a key.
    public static func words(key: UInt64, counter: Words) -> Words {
        var (c0, c1, c2, c3) = counter
        var k0 = UInt32(truncatingIfNeeded: key), k1 = UInt32(truncatingIfNeeded: key >> 32)
        for _ in 0..<10 {
            let p0 = UInt64(c0) * 0xd251_1f53, p1 = UInt64(c2) * 0xcd9e_8d57
            (c0, c1, c2, c3) = (
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p0)
            )
            k0 = k0 &+ 0x9e37_79b9
            k1 = k1 &+ 0xbb67_ae85
        }
        return (c0, c1, c2, c3)
    }
}
