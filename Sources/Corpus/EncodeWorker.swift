// SPDX-License-Identifier: MIT
import Foundation
import Tokenization

/// What a batch of documents became.
struct EncodedBatch: Sendable {
    /// Ids in the dataset's type, little-endian.
    var train: [UInt8] = []
    var val: [UInt8] = []
    /// The 64-bit identities of the documents, in order.
    var identities: [UInt64] = []
    /// Documents by item.
    var documents: [Int: Int] = [:]
    var empty = 0
    var missing = DocumentExtractor.Missing()
    /// Bytes of text taken.
    var bytes = 0
}

/// Encodes batches on one thread and counts on the way.
// SAFETY: used by one thread at a time; the counts are read after its thread has ended.
final class EncodeWorker: PipelineWorker, @unchecked Sendable {
    /// Sums over all batches this worker had; the sums of all workers do not depend on who had which batch.
    private(set) var counts: TokenCounts
    private let extractor: DocumentExtractor
    private let encoder: any TokenEncoder
    private let rule: SplitRule
    private let type: TokenType
    private let endOfText: UInt32?
    private var ids: [UInt32] = []

    init(tokenizer: any Tokenizer, extractor: DocumentExtractor, rule: SplitRule, type: TokenType) {
        self.extractor = extractor
        self.rule = rule
        self.type = type
        encoder = tokenizer.makeEncoder()
        endOfText = tokenizer.endOfText
        counts = TokenCounts(vocabularySize: tokenizer.vocabularySize)
    }

    func process(_ batch: SourceBatch) throws -> EncodedBatch {
        var result = EncodedBatch()
        let reserve = (batch.bytes.isEmpty ? 1 << 20 : batch.bytes.count) / 3 * type.size
        result.train.reserveCapacity(reserve)
        result.missing = try extractor.forEachDocument(batch) { try add($0, to: &result) }
        return result
    }

    private func add(_ document: Document, to result: inout EncodedBatch) throws {
        let isPiece = document.isValidation != nil
        if !isPiece { result.documents[document.item, default: 0] += 1 }
        guard !document.text.isEmpty else {
            result.empty += 1
            return
        }
        let isValidation: Bool
        if let stated = document.isValidation {
            isValidation = stated
        } else {
            let hashes = SplitRule.hashes(of: document.text)
            isValidation = rule.isValidation(hash: hashes.split)
            result.identities.append(hashes.identity)
        }
        ids.removeAll(keepingCapacity: true)
        do { try encoder.encode(document.text, into: &ids) } catch {
            throw CorpusError.data(extractor.items[document.item].name, "\(error)")
        }
        result.bytes += document.text.count
        counts.add(document, ids: ids, isValidation: isValidation, isPiece: isPiece)
        if let endOfText, !isPiece {
            ids.append(endOfText)
            counts.addEndOfText(endOfText, isValidation: isValidation)
        }
        if isValidation { store(in: &result.val) } else { store(in: &result.train) }
    }

    /// Appends `ids` in the dataset's type.
    private func store(in output: inout [UInt8]) {
        if type == .uint16 {
            let narrow = [UInt16](unsafeUninitializedCapacity: ids.count) { target, count in
                for i in ids.indices { target[i] = UInt16(truncatingIfNeeded: ids[i]).littleEndian }
                count = ids.count
            }
            narrow.withUnsafeBytes { UTF8Text.append($0, to: &output) }
        } else {
            ids.map(\.littleEndian).withUnsafeBytes { UTF8Text.append($0, to: &output) }
        }
    }
}

/// Sums about encoded documents that do not depend on their order.
struct TokenCounts: Sendable {
    /// Occurrences of each id in the training tokens, end-of-text included.
    var frequencies: [Int]
    /// Training documents by their number of tokens, without end-of-text.
    var lengths: [Int: Int] = [:]
    var documents = (train: 0, val: 0)
    var tokens = (train: 0, val: 0)
    var bytes = (train: 0, val: 0)
    var short = 0
    var repaired = 0
    var nonTextBytes = 0
    /// Of the validation documents.
    var spread = BlockSpread()

    init(vocabularySize: Int) { frequencies = [Int](repeating: 0, count: vocabularySize) }

    /// A document of fewer tokens is called short.
    static let shortLength = 16

    mutating func add(_ document: Document, ids: [UInt32], isValidation: Bool, isPiece: Bool) {
        nonTextBytes += UTF8Text.nonTextBytes(document.text)
        if document.wasRepaired { repaired += 1 }
        if !isPiece && ids.count < Self.shortLength { short += 1 }
        if isValidation {
            tokens.val += ids.count
            bytes.val += document.text.count
            if !isPiece {
                documents.val += 1
                spread.add(documentTokens: ids.count)
            }
            return
        }
        tokens.train += ids.count
        bytes.train += document.text.count
        for id in ids where Int(id) < frequencies.count { frequencies[Int(id)] += 1 }
        if !isPiece {
            documents.train += 1
            lengths[ids.count, default: 0] += 1
        }
    }

    mutating func addEndOfText(_ id: UInt32, isValidation: Bool) {
        if isValidation { tokens.val += 1 } else { tokens.train += 1 }
        if !isValidation, Int(id) < frequencies.count { frequencies[Int(id)] += 1 }
    }

    mutating func add(_ other: TokenCounts) {
        for i in frequencies.indices { frequencies[i] += other.frequencies[i] }
        lengths.merge(other.lengths, uniquingKeysWith: +)
        documents = (documents.train + other.documents.train, documents.val + other.documents.val)
        tokens = (tokens.train + other.tokens.train, tokens.val + other.tokens.val)
        bytes = (bytes.train + other.bytes.train, bytes.val + other.bytes.val)
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
