// SPDX-License-Identifier: MIT
import Storage

/// Decides by a document's text alone whether it is for validation.
///
/// The first 8 bytes of the SHA-256 of its UTF-8, as a big-endian fraction of 2^64, below the validation fraction.
/// So the same text always lands in the same split, duplicates never straddle the two,
/// and neither the order of the documents nor the number of workers matters.
package struct SplitRule: Sendable {
    package let valFraction: Double
    /// The least integer that is not below valFraction * 2^64: `hash < threshold` is then exact.
    private let threshold: UInt64
    private let takesAll: Bool

    package init(valFraction: Double) {
        self.valFraction = valFraction
        let scaled = (max(valFraction, 0) * 0x1p64).rounded(.up)
        takesAll = scaled >= 0x1p64
        threshold = takesAll ? .max : UInt64(scaled)
    }

    /// - Parameter hash: the first 8 bytes of the text's SHA-256, big-endian.
    package func isValidation(hash: UInt64) -> Bool { takesAll || hash < threshold }

    /// Two 64-bit numbers of a text: one for the split, an independent one to find duplicates.
    package static func hashes(of text: UnsafeRawBufferPointer) -> (split: UInt64, identity: UInt64) {
        hashes(of: [text])[0]
    }

    /// The same of several texts, in order; faster than one by one.
    package static func hashes(of texts: [UnsafeRawBufferPointer]) -> [(split: UInt64, identity: UInt64)] {
        let digests = SHA256.digests(of: texts)
        return digests.withUnsafeBytes { bytes in
            func number(_ at: Int) -> UInt64 { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) }
            return (0..<bytes.count / 32).map { (number(32 * $0), number(32 * $0 + 8)) }
        }
    }
}

/// How the validation fraction came about, for messages and the manifest.
package struct ValidationChoice: Sendable, Equatable {
    package let fraction: Double
    package let reason: String

    package static let usualFraction = 0.0005
    package static let largestFraction = 0.1
    package static let wantedTokens = 100_000

    /// - Parameter tokens: the estimated tokens of all documents.
    package static func forDocuments(tokens: Int) -> ValidationChoice {
        let wanted = Double(wantedTokens) / Double(max(tokens, 1))
        if wanted <= usualFraction {
            return ValidationChoice(fraction: usualFraction, reason: "the default; about \(tokens) tokens were estimated")
        }
        if wanted >= largestFraction {
            return ValidationChoice(
                fraction: largestFraction,
                reason: "the most that is taken unasked; about \(tokens) tokens were estimated, \(wantedTokens) "
                    + "for validation would be more than a tenth")
        }
        // Two digits are enough for an estimate, and can be remembered.
        var digits = wanted, scale = 1.0
        while digits < 10 { digits *= 10; scale *= 10 }
        return ValidationChoice(
            fraction: digits.rounded(.up) / scale,
            reason:
                "raised from \(usualFraction) so that about \(wantedTokens) of the estimated \(tokens) tokens are for validation")
    }
}
