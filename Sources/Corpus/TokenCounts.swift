// SPDX-License-Identifier: MIT
import Foundation

/// Non-negative integers that JSON holds as base64 of little-endian 64-bit words: fifty thousand of them in a millisecond.
struct PackedIntegers: Codable, Sendable {
    var values: [Int]

    init(values: [Int]) { self.values = values }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let bytes = try container.decode(Data.self)
        guard bytes.count % 8 == 0 else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a whole number of words")
        }
        values = bytes.withUnsafeBytes { raw in
            // A damaged file may hold anything; sums of what is taken cannot overflow.
            (0..<raw.count / 8).map {
                Int(clamping: min(UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)), 1 << 52))
            }
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(values.map { $0.littleEndian }.withUnsafeBytes { Data($0) })
    }

    /// Adds element by element; the longer one decides the length.
    mutating func add(_ other: PackedIntegers) {
        if other.values.count > values.count {
            values += [Int](repeating: 0, count: other.values.count - values.count)
        }
        for i in other.values.indices { values[i] &+= other.values[i] }
    }
}

/// Sums about encoded documents that do not depend on their order.
struct TokenCounts: Codable, Sendable {
    /// A number for each split.
    struct BySplit: Codable, Sendable, Equatable {
        var train = 0, val = 0
        static func + (a: BySplit, b: BySplit) -> BySplit { BySplit(train: a.train &+ b.train, val: a.val &+ b.val) }
    }

    /// Occurrences of each id in the training tokens, end-of-text included.
    var frequencies: [Int] { histogram.values }
    private var histogram: PackedIntegers
    /// Training documents by their number of tokens, without end-of-text.
    var lengths: [Int: Int] = [:]
    var documents = BySplit()
    var tokens = BySplit()
    var bytes = BySplit()
    var short = 0
    var repaired = 0
    var nonTextBytes = 0
    /// Of the validation documents.
    var spread = BlockSpread()

    init(vocabularySize: Int) { histogram = PackedIntegers(values: [Int](repeating: 0, count: vocabularySize)) }

    /// A document of fewer tokens is called short.
    static let shortLength = 16

    /// - Parameter count: the document's tokens, without end-of-text; of the training tokens an `IdCounter` counts each.
    mutating func add(_ document: Document, tokens count: Int, isValidation: Bool, isPiece: Bool) {
        nonTextBytes += document.nonTextBytes
        if document.wasRepaired { repaired += 1 }
        if !isPiece && count < Self.shortLength { short += 1 }
        if isValidation {
            tokens.val += count
            bytes.val += document.text.count
            if !isPiece {
                documents.val += 1
                spread.add(documentTokens: count)
            }
            return
        }
        tokens.train += count
        bytes.train += document.text.count
        if !isPiece {
            documents.train += 1
            lengths[count, default: 0] += 1
        }
    }

    mutating func addEndOfText(isValidation: Bool) {
        if isValidation { tokens.val += 1 } else { tokens.train += 1 }
    }

    /// Adds the frequencies that were counted, which begin again at 0.
    mutating func addFrequencies(of counter: IdCounter) { counter.take(into: &histogram.values) }

    mutating func add(_ other: TokenCounts) {
        histogram.add(other.histogram)
        lengths.merge(other.lengths, uniquingKeysWith: &+)
        documents = documents + other.documents
        tokens = tokens + other.tokens
        bytes = bytes + other.bytes
        short += other.short
        repaired += other.repaired
        nonTextBytes += other.nonTextBytes
        spread.add(other.spread)
    }

    /// Shannon entropy of the training tokens' frequencies, nats per token; nil without tokens.
    static func entropy(_ frequencies: [Int]) -> Double? {
        let total = Double(frequencies.reduce(0, +))
        guard total > 0 else { return nil }
        return frequencies.reduce(0.0) { sum, count in
            guard count > 0 else { return sum }
            let p = Double(count) / total
            return sum - p * log(p)
        }
    }

    /// Percentiles of a histogram of values, by the nearest-rank rule; nil when it is empty.
    static func percentiles(_ wanted: [Int], of histogram: [Int: Int]) -> [Int]? {
        let values = histogram.sorted { $0.key < $1.key }
        let total = values.reduce(0) { $0 + $1.value }
        guard total > 0 else { return nil }
        return wanted.map { percent in
            // The smallest value with at least this share of all values at or below it.
            let rank = max(1, (percent * total + 99) / 100)
            var seen = 0
            for (value, count) in values {
                seen += count
                if seen >= rank { return value }
            }
            return values.last?.key ?? 0
        }
    }
}
