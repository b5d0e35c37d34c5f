// SPDX-License-Identifier: MIT
import CTokenization
import Foundation
import Tokenization

/// What a batch of documents became.
struct EncodedBatch: Sendable {
    /// Sums over its documents.
    var counts: TokenCounts
    /// Where reading goes on behind it.
    var after: SourcePosition
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
// SAFETY: used by one thread at a time.
final class EncodeWorker: PipelineWorker, @unchecked Sendable {
    private let extractor: DocumentExtractor
    private let encoder: any TokenEncoder
    private let rule: SplitRule
    private let type: TokenType
    private let endOfText: UInt32?
    private let vocabularySize: Int
    private var ids: [UInt32] = []

    init(tokenizer: any Tokenizer, extractor: DocumentExtractor, rule: SplitRule, type: TokenType) {
        self.extractor = extractor
        self.rule = rule
        self.type = type
        encoder = tokenizer.makeEncoder()
        endOfText = tokenizer.endOfText
        vocabularySize = tokenizer.vocabularySize
    }

    func process(_ batch: SourceBatch) throws -> EncodedBatch {
        // Counts belong to the batch, not to the worker: what is journalled must cover the batches before a place, no more.
        var result = EncodedBatch(counts: TokenCounts(vocabularySize: vocabularySize), after: batch.after)
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
        result.counts.add(document, ids: ids, isValidation: isValidation, isPiece: isPiece)
        if let endOfText, !isPiece {
            ids.append(endOfText)
            result.counts.addEndOfText(endOfText, isValidation: isValidation)
        }
        if isValidation { store(in: &result.val) } else { store(in: &result.train) }
    }

    /// Appends `ids` in the dataset's type.
    private func store(in output: inout [UInt8]) {
        if type == .uint16 {
            let narrow = [UInt16](unsafeUninitializedCapacity: ids.count) { target, count in
                apus_narrow_ids(ids, ids.count, target.baseAddress)
                count = ids.count
            }
            narrow.withUnsafeBytes { UTF8Text.append($0, to: &output) }
        } else {
            ids.map(\.littleEndian).withUnsafeBytes { UTF8Text.append($0, to: &output) }
        }
    }
}
